#!/usr/bin/env python3
"""Cold searches on an S3 store whose requests take their time: Kedge beside LanceDB, at the same recall, in one run.

    ./dev bench cold [--only SET,...] [--quick] [--no-peer] [--json FILE] [--plots]

Sets: text1m (recall@10 of 0.90), sentences (0.95); those of ./dev bench ann, made once. Each search is a process of its own
without any cache, and so is each of LanceDB's first searches, once with its default threads and once with 64. Every request
takes 30 ms, or lognormally 30 ms in the median and 100 ms at the 99th percentile; all answers share 200 MB/s. Beside the
times stands what the model says: in every round the slowest of its requests, and all bytes once. --quick: a tenth of the data and of the
searches. --plots writes docs/img/cold-SET.svg.
"""
import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from ann import words_of
from main import noisy
from parts import ann_runs, ann_sets, cold_report, cold_runs, peer
from parts.process import KEDGE, ROOT, clean_environment, machine, say
from parts.s3_place import Emulator


def measure(arguments, scratch):
    python = peer.python(ann_runs.REQUIREMENTS)
    if not python:
        sys.exit("bench: without the peers' environment there is nothing to make the data with")
    found = {}
    for name in arguments.only:
        folder = ann_sets.ready(name, python, arguments.quick)
        if not folder:
            continue
        with Emulator() as server:
            server.client().create_bucket(Bucket=cold_runs.BUCKET)
            found[name] = cold_runs.measure(server, None if arguments.no_peer else python, clean_environment(scratch), folder,
                                            scratch, cold_runs.GOALS[name], arguments.quick)
    return found


def write_plots(report):
    for name, found in report["sets"].items():
        drawn = cold_report.svg(name, found)
        if drawn:
            (ROOT / f"docs/img/cold-{name}.svg").write_text(drawn, encoding="utf-8")
            say(f"bench: wrote docs/img/cold-{name}.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", type=words_of(tuple(cold_runs.GOALS)), default=list(cold_runs.GOALS), metavar="SET,...",
                        help=", ".join(cold_runs.GOALS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the data and of the searches")
    parser.add_argument("--no-peer", action="store_true", help="only Kedge")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", action="store_true", help="write docs/img/cold-SET.svg")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench cold")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-cold-") as name:
        sets = measure(arguments, Path(name))
    report = {"machine": machine(), "bandwidth": cold_runs.BANDWIDTH, "sets": sets,
              "note": "; QUICK, a tenth of the data: not the figures to quote" if arguments.quick else "",
              "seconds": round(time.monotonic() - began), "noisy": noisy(sets)}
    if arguments.plots:
        write_plots(report)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(cold_report.all_tables(report))


if __name__ == "__main__":
    main()
