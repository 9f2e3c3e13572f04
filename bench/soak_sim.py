#!/usr/bin/env python3
"""The simulation (tests/sim) for as long as one likes: seeds that were never run, and what all of them counted.

    ./dev soak sim [--minutes N] [--steps N] [--jobs N] [--first-seed N] [--afresh] [--json FILE]

Goes on behind the last seed of the run before; the seeds of one process in five are played once more, without rollbacks, for what each key
is as a register. A seed that fails is printed with the command that repeats it, and the exit code is 1.
"""
import argparse
import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from parts.process import KEDGE, say
from parts.soak import Record, add_options, tell

PROGRAM = Path(KEDGE).parent / "sim_tests"
SEEDS = 20  # of one process
FIRST_SEED = 1_000_000  # those of ./dev test are small
REGISTERS_ONE_IN = 5  # processes


def counts_of(output):
    """Of the program's note: every number by its name."""
    note = re.search(r"^note: simulated (\d+) seeds from \d+: (.*)$", output, re.M)
    if not note:
        return None
    return {"seeds": int(note[1]), **{name: int(count) for count, name in re.findall(r"(\d+) ([^,]+)", note[2])}}


def play(first, steps, core):
    """Some seeds on one core, since one actor goes on at a time: what they counted, or None, and what was printed."""
    tests = "Simulation.NothingIsLost*" + (":Simulation.EachKeyIs*" if first // SEEDS % REGISTERS_ONE_IN == 0 else "")
    done = subprocess.run(["taskset", "-c", str(core), PROGRAM, "--seed", str(first), "--seeds", str(SEEDS), "--steps", str(steps),
                           f"--gtest_filter={tests}"], capture_output=True, text=True, check=False)
    return (counts_of(done.stdout) if done.returncode == 0 else None), done.stdout + done.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add_options(parser, 60)
    parser.add_argument("--steps", type=int, default=200, help="of a seed (default 200: of longer ones each step takes longer)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at once (default: one a core)")
    parser.add_argument("--first-seed", type=int, help="instead of the one behind the last")
    arguments = parser.parse_args()
    record, cores = Record("sim", arguments.afresh), sorted(os.sched_getaffinity(0))
    following = arguments.first_seed or record.state.get("next_seed", FIRST_SEED)
    end, told, failed = time.monotonic() + arguments.minutes * 60, time.monotonic(), []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        while time.monotonic() < end and not failed:
            firsts = [following + SEEDS * job for job in range(arguments.jobs)]
            following = firsts[-1] + SEEDS
            for first, (found, output) in zip(firsts, pool.map(lambda at: play(firsts[at], arguments.steps, cores[at % len(cores)]), range(len(firsts)))):
                if found is None:
                    failed.append(first)
                    say(f"soak: seeds from {first} failed:\n{output[-6000:]}")
                    continue
                record.state["next_seed"] = following
                record.add({**found, "steps": SEEDS * arguments.steps})
            if time.monotonic() - told > 30:
                told = time.monotonic()
                say(f"soak: {record.counts}")
    tell(arguments, record.report(failed_from_seed=failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
