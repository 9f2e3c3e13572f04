"""Programs run by a benchmark, with their seconds and peak memory; the machine, and whether it is quiet."""
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KEDGE_SHARED", ROOT.parent / "shared"))
KEDGE = os.environ.get("KEDGE_BIN", "")
CORES = len(os.sched_getaffinity(0))
QUIET_LOAD = 1.0


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(arguments, environment, stdin=None):
    """Runs a program, and returns its output, seconds, and peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen([str(word) for word in arguments], stdin=stdin, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=environment)
    # What it says on stderr is short: a pipe holds it until the end.
    output = process.stdout.read()
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    process.stderr.close()
    if process.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, arguments))} ended with {process.returncode}: "
                 f"{errors.decode(errors='replace')[-2000:]}")
    return output.decode(), seconds, usage.ru_maxrss / 1024


def sync(folder, environment, *options):
    """One `kedge sync`: its counts, seconds and peak memory in MiB."""
    output, seconds, mebibytes = run([KEDGE, "sync", folder, "--json", "--quiet", *options], environment)
    return json.loads(output)["sources"][0], seconds, mebibytes


def median(values):
    return statistics.median(values)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())

    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, text=True, capture_output=True, check=False).stdout.strip()

    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": CORES,
            "memory_gib": round(int(memory.group(1)) / 2**20) if memory else None,
            "commit": git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain") else ""),
            "kedge_simd": os.environ.get("KEDGE_SIMD", "")}


def wait_until_quiet(limit_seconds):
    """Waits until the load of the last minute is at most QUIET_LOAD, or the limit. Returns the load found."""
    end = time.monotonic() + limit_seconds
    said = False
    while (load := os.getloadavg()[0]) > QUIET_LOAD and time.monotonic() < end:
        if not said:
            say(f"bench: load {load:.1f}: waiting up to {limit_seconds:.0f} s until others are done")
            said = True
        time.sleep(2)
    return round(load, 2)
