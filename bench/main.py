#!/usr/bin/env python3
"""The figures of the main job: judged retrieval, speed and memory beside the usual pipeline, the reason for an index.

    ./dev bench main [--quick] [--json FILE] [--only PART...] [--abstracts N] [--turns N] [--files N]

Parts: main_job, equal_chunks, one_question (needs both), listings. SciFact is read from $KEDGE_SHARED/data/scifact (or
../shared beside the repository); without it the first three are left out, and say so. The peer is installed into an
environment of its own in the cache folder when it is first asked for. Every measurement waits until nothing else computes,
is repeated if others computed meanwhile, and carries the cores that others used; --quick neither waits nor repeats.
"""
import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from parts import equal_chunks, main_job, one_question, scifact, table
from parts.process import KEDGE, QUIET_CORES, clean_environment, machine

PARTS = ("main_job", "equal_chunks", "one_question", "listings")
QUICK_ABSTRACTS = 200
QUICK_FILES = 10_000


def noisy(report, path=""):
    """Where others computed while it was measured."""
    found = {}
    for name, value in report.items() if isinstance(report, dict) else enumerate(report):
        where = f"{path}.{name}".lstrip(".")
        if isinstance(value, (dict, list)):
            found.update(noisy(value, where))
        elif name == "others" and value > QUIET_CORES:
            found[path] = value
    return found


def measure(arguments, scratch):
    environment = clean_environment(scratch)
    report = {}
    if scifact.is_there():
        abstracts = arguments.abstracts or (QUICK_ABSTRACTS if arguments.quick else None)
        if "main_job" in arguments.only:
            report["main_job"] = main_job.measure(scratch, environment, abstracts, arguments.quick)
        if "equal_chunks" in arguments.only:
            report["equal_chunks"] = equal_chunks.measure(scratch, environment, arguments.quick,
                                                          1 if arguments.quick else arguments.turns)
        if "one_question" in arguments.only and "main_job" in report and "equal_chunks" in report:
            report["one_question"] = one_question.measure(scratch, environment, report["main_job"],
                                                          report["equal_chunks"]["chunk_files"], arguments.quick)
    if "listings" in arguments.only:
        files = arguments.files or (QUICK_FILES if arguments.quick else 100_000)
        report["listings"] = [main_job.listing(scratch, environment, count) for count in (files // 10, files)]
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, once, whatever else runs: minutes")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--abstracts", type=int, default=None, help="of SciFact (default: all; fewer change the quality)")
    parser.add_argument("--turns", type=int, default=3, help="of Kedge and the peer beside each other (default: 3)")
    parser.add_argument("--files", type=int, default=None, help="of the large listing (default: 100,000)")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench main")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-") as name:
        report = measure(arguments, Path(name))
    judged = report.get("main_job", {}).get("retrieval", {})
    report = {"machine": {**machine(), "kernels": judged.get("simd", "unknown")},
              "data": "SciFact" + (", QUICK: not the figures to quote" if arguments.quick else ""),
              "seconds": round(time.monotonic() - began), **report, "noisy": noisy(report)}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(table.all_tables(report))


if __name__ == "__main__":
    main()
