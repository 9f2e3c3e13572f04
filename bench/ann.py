#!/usr/bin/env python3
"""Nearest neighbours, Kedge beside what one would take instead: recall, queries a second, build, bytes; in one run.

    ./dev bench ann [--only SET,...] [--peers all|none|PEER,...] [--quick] [--json FILE] [--plots] [--reuse-peers]
                    [--scale ROWS] [--no-kedge]

Sets: fashion, sentences, text1m (which brings text250k), each made once in the folder ann-data of the cache folder with its
exact truth; --scale adds made vectors of that many rows. Peers: flat, faiss-pqfs, faiss-rabitq, faiss-hnsw, hnswlib,
usearch-i8, usearch-bf16, lance-rq, lance-pq, installed into an environment of their own when first asked for. Each runs in
a process of its own, one query at a time, after others are quiet (waiting five minutes in all at most): the peers on one
pinned thread, Kedge by `kedge bench ann`, once for each SIMD path of this CPU. --reuse-peers takes the peers' figures of an
earlier run where data, versions, CPU and settings are the same and nothing else computed. --quick: a tenth of the data,
whatever else runs. --plots writes docs/img/ann-SET.svg.
"""
import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from main import noisy
from parts import ann_plot, ann_runs, ann_sets, ann_table, peer
from parts.process import KEDGE, ROOT, machine, say

CHOICES = ("fashion", "sentences", "text1m")


def words_of(known):
    def split(text):
        words = text.split(",")
        for word in words:
            if word not in known:
                raise argparse.ArgumentTypeError(f"{word}: not one of {', '.join(known)}")
        return words
    return split


def measure_set(name, folder, python, arguments, scratch, patience):
    found = []
    for peer_name in ann_runs.peers_of(name, arguments.peers):
        with tempfile.TemporaryDirectory(dir=scratch) as place:
            figures = ann_runs.measure_peer(python, peer_name, name, folder, place, patience, arguments.reuse_peers)
        found += [figures] if figures else []
    if not arguments.no_kedge:
        found += ann_runs.measure_kedge(name, folder, scratch, patience)
    return {"set": ann_sets.read(folder), "engines": found}


def measure(arguments, scratch):
    python = peer.python(ann_runs.REQUIREMENTS)
    if not python:
        sys.exit("bench: without the peers' environment there is nothing to make the data with")
    report, patience = {"sets": {}}, ann_runs.Patience(arguments.quick)
    for name in ann_sets.names_of(arguments.only, arguments.scale):
        folder = ann_sets.ready(name, python, arguments.quick)
        if folder:
            report["sets"][name] = measure_set(name, folder, python, arguments, scratch, patience)
    if any(name.startswith("lance") for name in arguments.peers):
        command = [python, "-m", "parts.ann_program", "call_cost"]
        report["lance_call_us"] = patience.run(command, ann_sets.environment())[0]["call_us"]
    return report


def write_plots(report):
    folder = ROOT / "docs/img"
    folder.mkdir(exist_ok=True)
    for name, measured in report["sets"].items():
        drawn = ann_plot.svg(f"{name}: {measured['set']['rows']:,} x {measured['set']['dimension']}", measured["engines"])
        if drawn:
            (folder / f"ann-{name}.svg").write_text(drawn, encoding="utf-8")
            say(f"bench: wrote docs/img/ann-{name}.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--only", type=words_of(CHOICES), default=list(CHOICES), metavar="SET,...", help=", ".join(CHOICES))
    parser.add_argument("--peers", type=words_of(("all", "none", *ann_runs.PEERS)), default=["all"], metavar="PEER,...",
                        help="all (default), none, or of " + ", ".join(ann_runs.PEERS))
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, whatever else runs")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--plots", action="store_true", help="write docs/img/ann-SET.svg")
    parser.add_argument("--reuse-peers", action="store_true", help="take the peers' figures of an earlier run, if they fit")
    parser.add_argument("--scale", type=int, metavar="ROWS", help="also made vectors, for example 1000000")
    parser.add_argument("--no-kedge", action="store_true", help="only the peers")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench ann")
    arguments.peers = list(ann_runs.PEERS) if "all" in arguments.peers else arguments.peers
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-ann-") as name:
        report = measure(arguments, Path(name))
    report = {"machine": machine(), "note": "; QUICK, a tenth of the data: not the figures to quote" if arguments.quick else "",
              "seconds": round(time.monotonic() - began), **report}
    report["noisy"] = {engine["engine"] + " on " + name: engine["others"] for name, measured in report["sets"].items()
                       for engine in measured["engines"] if noisy(engine)}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if arguments.plots:
        write_plots(report)
    print(ann_table.all_tables(report))


if __name__ == "__main__":
    main()
