#!/usr/bin/env python3
"""Every fuzzer (fuzz/*_fuzz.cc, libFuzzer with ASan and UBSan), those that had the least time first.

    ./dev soak fuzz [--minutes N] [--slice SECONDS] [--jobs N] [--afresh] [--json FILE]

A target runs for --slice seconds (60) at a time; inputs and seconds of processor time of all runs are kept. New inputs stay in
build/fuzz/corpus. A finding
is printed with the command that repeats it, and the exit code is 1.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "tools"))

from dev import fuzz  # noqa: E402
from dev.build import build  # noqa: E402
from dev.setup import setup  # noqa: E402
from parts.process import say  # noqa: E402
from parts.soak import Record, add_options, tell  # noqa: E402


def fuzz_for(folder, target, seconds):
    """(inputs tried, seconds of processor time, "" or what was found)."""
    with tempfile.TemporaryFile(mode="w+", errors="replace") as said:
        process = fuzz.start_target(folder, target, seconds, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        output = said.read()
    process.returncode = os.waitstatus_to_exitcode(status)
    inputs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
    return int(inputs[1]) if inputs else 0, usage.ru_utime + usage.ru_stime, "" if process.returncode == 0 else output[-6000:]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add_options(parser, 300)
    parser.add_argument("--slice", type=int, default=60, metavar="SECONDS")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at once (default: one a core)")
    arguments = parser.parse_args()
    setup("build", "fuzz")
    targets, folder = fuzz.targets(), build("fuzz")
    record = Record("fuzz", arguments.afresh)
    spent = record.state.setdefault("seconds", {})
    end, found = time.monotonic() + arguments.minutes * 60, {}
    with ThreadPoolExecutor(arguments.jobs) as pool:
        while time.monotonic() < end and not found:
            chosen = sorted(targets, key=lambda target: (spent.get(target, 0), target))[:arguments.jobs]
            for target, (inputs, took, what) in zip(chosen, pool.map(lambda one: fuzz_for(folder, one, arguments.slice), chosen)):
                if what:
                    found[target] = what
                    say(f"soak: {target} found something:\n{what}")
                    continue
                spent[target] = round(spent.get(target, 0) + took, 1)
                record.add({target: inputs})
            say(f"soak: {len(targets)} targets, the least had {min(spent.get(one, 0) for one in targets):,.0f} s, all {sum(spent.values()):,.0f} s")
    tell(arguments, record.report(found=sorted(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
