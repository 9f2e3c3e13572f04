#!/usr/bin/env python3
"""How everything grows with the rows: made vectors of 384 dimensions, the same distribution at every size, each size once.

    ./dev bench scale [--rows N,...] [--memory SIZE] [--json FILE] [--plots]

Rows: 100000,1000000,10000000. The vectors are made from a seed, in chunks, once, with the truth of their queries
(10,000,000 take 8 GB of the cache folder; the index and its building 25 GB of the temporary folder, TMPDIR). Each size is
built by `kedge bench ann` with --memory for an eighth of the index or less, its peak memory and CPU time measured, then asked
cold, each query by a handle that has nothing in memory, and warm, with all planes in memory. --plots writes
docs/img/scale.svg.
"""
import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from main import noisy
from parts import ann_runs, ann_sets, peer, scale_report
from parts.process import KEDGE, ROOT, clean_environment, machine, run, say

ROWS = (100_000, 1_000_000, 10_000_000)
BYTES_A_ROW = 1_300  # of an index: codes, refine rows, f16 vectors, docs, keys and text of a record
LEAST_MEMORY = 48 << 20


def numbers(text):
    return [int(word) for word in text.split(",")]


def measure(python, rows, memory, scratch):
    folder = ann_sets.ready(f"made-{rows}", python, False)
    described = ann_sets.read(folder)
    memory = memory or max(LEAST_MEMORY, rows * BYTES_A_ROW // 8)
    place = scratch / f"built-{rows}"
    say(f"bench: {rows:,} rows, --memory {memory >> 20} MiB")
    ran = run([KEDGE, "bench", "ann", "--base", folder / described["base"], "--queries", folder / "query.fvecs", "--truth",
               folder / "truth.ivecs", "--metric", described["metric"], "--folder", place, "--memory", f"{memory >> 10}KiB",
               "--rerank", 0, "--rerank", 40, "--seconds", "0.5", "--json"], clean_environment(scratch))
    return {**json.loads(ran.output), "memory_mib": memory >> 20, "whole_seconds": round(ran.seconds), "others": ran.others}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=numbers, default=list(ROWS), metavar="N,...", help=",".join(map(str, ROWS)))
    parser.add_argument("--memory", type=int, metavar="MIB", help="of each build (default: an eighth of the index)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", action="store_true", help="write docs/img/scale.svg")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench scale")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    python = peer.python(ann_runs.REQUIREMENTS)
    if not python:
        sys.exit("bench: without the peers' environment there is nothing to make the data with")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-scale-") as name:
        os.environ["TMPDIR"] = name
        sizes = [measure(python, rows, (arguments.memory or 0) << 20, Path(name)) for rows in arguments.rows]
    report = {"machine": machine(), "sizes": sizes, "seconds": round(time.monotonic() - began)}
    report["noisy"] = noisy({f"{one['rows']} rows": {"others": one["others"]} for one in sizes})
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if arguments.plots:
        (ROOT / "docs/img/scale.svg").write_text(scale_report.svg(sizes), encoding="utf-8")
        say("bench: wrote docs/img/scale.svg")
    print(scale_report.all_tables(report))


if __name__ == "__main__":
    main()
