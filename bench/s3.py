#!/usr/bin/env python3
"""The figures on S3: the main job on a real server, requests, listings and faults on our emulator.

    ./dev bench s3 [--only PART...] [--quick] [--json FILE] [--keys N] [--abstracts N]

Parts: main_job (versitygw), gets (both), listing, faults (emulator). Searches of a delayed store are ./dev bench cold. SciFact is
read from $KEDGE_SHARED/data/scifact (or ../shared beside the repository). The peers are installed into an environment of their own in
the cache folder when they are first asked for. --quick is a tenth of the data, once, whatever else runs.
"""
import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from main import QUICK_ABSTRACTS, noisy
from parts import s3_faults, s3_gets, s3_listing, s3_main_job, s3_table, scifact
from parts.process import KEDGE, clean_environment, machine

PARTS = ("main_job", "gets", "listing", "faults")
KEYS = 1_000_000


def measure(arguments, scratch):
    environment = clean_environment(scratch)
    small = 10 if arguments.quick else 1
    report = {}
    if "main_job" in arguments.only and scifact.is_there():
        abstracts = arguments.abstracts or (QUICK_ABSTRACTS if arguments.quick else None)
        report["main_job"] = s3_main_job.measure(scratch, environment, abstracts)
    if "gets" in arguments.only:
        report["gets"] = s3_gets.measure(scratch, environment, arguments.quick)
    if "listing" in arguments.only:
        report["listing"] = s3_listing.measure(environment, arguments.keys or KEYS // small)
    if "faults" in arguments.only:
        report["faults"] = s3_faults.measure(environment, arguments.quick)
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, once, whatever else runs")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART", help=" ".join(PARTS))
    parser.add_argument("--abstracts", type=int, help="of SciFact (default: all; fewer change the quality)")
    parser.add_argument("--keys", type=int, help=f"of the listing (default: {KEYS:,})")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench s3")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-s3-") as name:
        report = measure(arguments, Path(name))
    report = {"machine": machine(), "data": "SciFact and made-up objects" + (", QUICK: not the figures to quote"
                                                                            if arguments.quick else ""),
              "seconds": round(time.monotonic() - began), **report, "noisy": noisy(report)}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(s3_table.all_tables(report))


if __name__ == "__main__":
    main()
