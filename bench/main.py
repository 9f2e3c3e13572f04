#!/usr/bin/env python3
"""The figures of the main job: judged retrieval, speed, memory, second syncs, a large listing.

    ./dev bench main [--abstracts N] [--files N]

SciFact is read from $KEDGE_SHARED/data/scifact (or ../shared beside the repository); without it that part says so and is
left out. Prints one JSON document with the machine, the commit and the data. It has no peer yet.
"""
import argparse
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("KEDGE_SHARED", ROOT.parent / "shared"))
KEDGE = os.environ.get("KEDGE_BIN", "")


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(arguments, environment):
    """Runs kedge, and returns its output, seconds, and peak memory in MiB."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"bench: {' '.join(map(str, arguments))} ended with {os.waitstatus_to_exitcode(status)}")
    return output.decode(), time.monotonic() - began, usage.ru_maxrss / 1024


def sync(folder, environment, *options):
    output, seconds, mebibytes = run([KEDGE, "sync", folder, "--json", "--quiet", *options], environment)
    counts = json.loads(output)["sources"][0]
    return counts, round(seconds, 2), round(mebibytes)


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, text=True, capture_output=True, check=False)
    return {"cpu": cpu.group(1) if cpu else platform.machine(), "cores": os.cpu_count(), "commit": commit.stdout.strip()}


def scifact(scratch, environment, abstracts):
    source = SHARED / "data/scifact"
    if not source.exists():
        say("bench: SKIPPED scifact: the data is not there")
        return None
    folder = scratch / "scifact"
    folder.mkdir()
    with open(source / "corpus.jsonl", encoding="utf-8") as corpus:
        for line in list(corpus)[:abstracts]:
            document = json.loads(line)
            (folder / f"{document['_id']}.txt").write_text(f"{document['title']}\n\n{document['text']}\n", encoding="utf-8")
    say("bench: scifact, first sync (about 25 ms a chunk)")
    counts, seconds, mebibytes = sync(folder, environment)
    out = {"abstracts": counts["indexed"], "split": counts["split_objects"], "chunks": counts["chunks"], "seconds": seconds,
           "objects_per_second": round(counts["indexed"] / seconds, 1),
           "chunks_per_second": round(counts["chunks"] / seconds, 1),
           "model_share": round(counts["model_seconds"] / counts["seconds"], 3), "peak_mib": mebibytes}
    index = folder / ".kedge"
    bench = Path(KEDGE).parent / "retrieval_bench"
    output, _, _ = run([bench, index, source / "queries.jsonl", source / "qrels/test.tsv"], environment)
    out["retrieval"] = json.loads(output)
    _, fresh, memory = run([KEDGE, "search", "does vitamin D protect bones", "--index", index, "--json"], environment)
    out["search_fresh_process"] = {"seconds": round(fresh, 2), "peak_mib": round(memory)}
    sync(folder, environment)  # files written just before the first sync may be racy: looked at once more
    again, seconds, _ = sync(folder, environment)
    out["second_sync"] = {"seconds": seconds, "objects_read": again["objects_read"], "embedded": again["chunks_embedded"]}
    for path in folder.glob("*.txt"):
        os.utime(path, (time.time() - 86400,) * 2)
    touched, seconds, _ = sync(folder, environment)
    out["all_touched"] = {"seconds": seconds, "objects_read": touched["objects_read"], "embedded": touched["chunks_embedded"]}
    return out


def listing(scratch, environment, count):
    """`count` small files, 1 % of them changed, with the embedder of tests: what listing and comparing cost."""
    say(f"bench: {count:,} files")
    folder = scratch / f"files-{count}"
    yesterday = time.time() - 86400
    for number in range(count):
        path = folder / f"{number % 100:02}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"object number {number} of a large source\n")
        os.utime(path, (yesterday, yesterday))
    options = ("--model", "test:64")
    _, first, first_mib = sync(folder, environment, *options)
    for number in range(0, count, 100):
        path = folder / f"{number % 100:02}" / f"{number}.txt"
        path.write_text(f"object number {number} has changed\n")
        os.utime(path, (yesterday + 60,) * 2)
    changed, seconds, mebibytes = sync(folder, environment, *options)
    _, unchanged, unchanged_mib = sync(folder, environment, *options)
    return {"files": count, "first_seconds": first, "first_peak_mib": first_mib, "changed": changed["changed"],
            "compare_seconds": seconds, "compare_peak_mib": mebibytes, "unchanged_seconds": unchanged,
            "unchanged_peak_mib": unchanged_mib}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--abstracts", type=int, default=None, help="of SciFact (default: all; fewer lower the quality)")
    parser.add_argument("--files", type=int, default=100_000, help="of the large listing (default: 100,000)")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench main")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory(prefix="kedge-bench-") as name:
        scratch = Path(name)
        environment = {**os.environ, "XDG_STATE_HOME": str(scratch / "state")}
        report = {"machine": machine(), "scifact": scifact(scratch, environment, arguments.abstracts),
                  "listings": [listing(scratch, environment, count) for count in (arguments.files // 10, arguments.files)]}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
