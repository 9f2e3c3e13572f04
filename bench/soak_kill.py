#!/usr/bin/env python3
"""kill -9 at random moments of syncs, for as long as one likes: series of bench/kill.py on a folder and on a real S3 server in turn.

    ./dev soak kill [--minutes N] [--seed S] [--afresh] [--json FILE]

100 kills on a folder, then 20 on a bucket of versitygw, and so on, each series with a seed of its own; all counts are kept. A series that
ends otherwise than an unbroken run is printed with the command that repeats it, and the exit code is 1.
"""
import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from parts.process import say
from parts.soak import Record, add_options, tell

PROGRAM = Path(__file__).resolve().parent / "kill.py"
TURNS = (("folder", ["--kills", "100", "--real-kills", "0"]), ("s3", ["--s3", "--kills", "20"]))
FIRST_SEED = 1_000_000


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add_options(parser, 60)
    parser.add_argument("--seed", type=int, help="of the next series, instead of the one behind the last")
    arguments = parser.parse_args()
    record = Record("kill", arguments.afresh)
    seed = arguments.seed or record.state.get("next_seed", FIRST_SEED)
    end, failed = time.monotonic() + arguments.minutes * 60, []
    with tempfile.TemporaryDirectory(prefix="kedge-soak-kill-") as name:
        file = Path(name) / "series.json"
        while time.monotonic() < end and not failed:
            place, words = TURNS[seed % len(TURNS)]
            done = subprocess.run([sys.executable, PROGRAM, *words, "--seed", str(seed), "--json", file], capture_output=True, text=True,
                                  check=False)
            if done.returncode != 0:
                failed.append(f"./dev bench kill {' '.join(words)} --seed {seed}")
                say(f"soak: {failed[-1]} failed:\n{(done.stdout + done.stderr)[-6000:]}")
                break
            seed += 1
            record.state["next_seed"] = seed
            series = json.loads(file.read_text(encoding="utf-8"))["series"]
            record.add({f"{place}: {what}": sum(one[what] for one in series) for what in ("kills", "runs", "texts_given", "given_twice")})
            say(f"soak: {record.counts}")
    tell(arguments, record.report(failed=failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
