"""Programs run by a benchmark, with their seconds and peak memory; the machine, and whether it is quiet."""
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("KEDGE_SHARED", ROOT.parent / "shared"))
LAUNCH = Path(__file__).resolve().parent / "launch.py"
KEDGE = os.environ.get("KEDGE_BIN", "")
CORES = len(os.sched_getaffinity(0))
QUIET_CORES = 0.2  # busy with other things: fewer are noise


def say(text):
    print(text, file=sys.stderr, flush=True)


def clean_environment(scratch):
    """Of a kedge that sees nothing but what it is given: no index, cache or configuration of the person who runs this.
    KEDGE_CACHE above all: here it is the folder of ./dev, to kedge it would be a cache of embeddings."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("KEDGE_") or name in ("KEDGE_MODEL_DIR", "KEDGE_OPENVINO_DIR", "KEDGE_SIMD")}
    return {**kept, "XDG_STATE_HOME": str(scratch / "state"), "XDG_CONFIG_HOME": str(scratch / "config"), "KEDGE_CONFIG": ""}


class Ran(NamedTuple):
    """What a program cost. `others`: cores that were busy with anything else meanwhile."""
    output: str
    seconds: float
    mebibytes: float
    others: float
    cpu_seconds: float


def busy_seconds():
    """CPU seconds of the whole machine since it started, idle ones left out, stolen ones included."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    ticks = sum(int(field) for position, field in enumerate(fields) if position not in (3, 4))
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_seconds_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_seconds_of(process):
    """Of a process that runs; of none 0."""
    if process is None:
        return 0.0
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run(arguments, environment, stdin=None, server=None):
    """Runs a program to its end; ends the benchmark if it fails. `server`: the process of a server of ours that it uses, which is none
    of the others."""
    busy, used, began = busy_seconds(), cpu_seconds_of_children() + cpu_seconds_of(server), time.monotonic()
    reader, writer = os.pipe()
    process = subprocess.Popen([sys.executable, "-I", "-S", str(LAUNCH), str(writer), *map(str, arguments)], stdin=stdin,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, pass_fds=[writer])
    os.close(writer)
    output, errors = process.communicate()
    with open(reader, encoding="utf-8") as file:
        said = file.read()
    if process.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, arguments))} ended with {process.returncode}: "
                 f"{errors.decode(errors='replace')[-2000:]}")
    cost = json.loads(said)
    ours = cpu_seconds_of_children() + cpu_seconds_of(server) - used
    others = max(0.0, busy_seconds() - busy - ours) / (time.monotonic() - began)
    return Ran(output.decode(), cost["seconds"], cost["mebibytes"], round(others, 2), cost["cpu_seconds"])


def sync(folder, environment, *options):
    """One `kedge sync`: its counts, and what it cost."""
    ran = run([KEDGE, "sync", folder, "--json", "--quiet", *options], environment)
    return json.loads(ran.output)["sources"][0], ran


def median(values):
    return statistics.median(values)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    memory = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())

    def git(*words):
        return subprocess.run(["git", *words], cwd=ROOT, text=True, capture_output=True, check=False).stdout.strip()

    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": CORES,
            "memory_gib": round(int(memory.group(1)) / 2**20) if memory else None,
            "commit": git("rev-parse", "--short", "HEAD") + (" with changes" if git("status", "--porcelain") else "")}


def quietly(measure, limit_seconds):
    """`measure()` gives (figures, Ran). Waits until nothing else computes, and measures once more, after others are
    done, if they came meanwhile: both until the limit, after which the last figures stand, with `others` beside them."""
    end = time.monotonic() + limit_seconds
    while True:
        wait_until_quiet(end)
        figures, ran = measure()
        if ran.others <= QUIET_CORES or time.monotonic() >= end:
            return {**figures, "others": ran.others}
        say(f"bench: others used {ran.others} cores meanwhile: measured again")


def wait_until_quiet(end):
    said = False
    while time.monotonic() < end:
        busy = busy_seconds()
        time.sleep(2)
        others = (busy_seconds() - busy) / 2
        if others <= QUIET_CORES:
            return
        if not said:
            say(f"bench: others use {others:.1f} cores: waiting")
            said = True
