#!/usr/bin/env python3
"""Recall under filters, on real vectors: the sentences of `./dev bench ann`, with metadata that says nothing of their meaning.

    ./dev bench filters [--questions N] [--json FILE]

About 80,000 records get a number `part`, uniform in [0, 100), and are imported. Each of 200 questions is then asked with
`part < 100`, 50, 10, 1 and 0.1, by a process of its own with the default --recall of 0.95, and what it finds is compared with
the 10 nearest among the records that match, told by looking at every one.
"""
import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from parts import ann_runs, ann_sets, cold_files, peer
from parts.process import KEDGE, clean_environment, machine, run, say
from parts.table import table

SHARES, K, HERE = ("100", "50", "10", "1", "0.1"), 10, Path(__file__).resolve().parent


def measure(folder, scratch, questions, python):
    environment = clean_environment(scratch)
    say("bench: records and the truth of every filter")
    run([python, HERE / "parts/filter_truth.py", folder / ann_sets.read(folder)["base"], folder / "query.fvecs", questions, scratch,
         *SHARES], environment)
    told = json.loads((scratch / "truth.json").read_text(encoding="utf-8"))
    index = scratch / "index"
    run([KEDGE, "import", scratch / "records.jsonl", "--metric", "cosine", "--index", index, "--quiet"], environment)
    asked = [cold_files.write_vector(scratch / f"{number}.fvecs", row)
             for number, row in enumerate(cold_files.rows_of(folder / "query.fvecs", "f", questions))]
    out = []
    for share in SHARES:
        say(f"bench: part < {share}")
        found, seconds, short = [], [], 0
        for file in asked:
            ran = run([KEDGE, "search", "--vector", file, "-k", K, "--all", "--snippets", "none", "--filter", f"part < {share}",
                       "--index", index, "--json"], environment)
            answer = json.loads(ran.output)
            found.append([hit["key"] for hit in answer["results"]])
            short += len(found[-1]) < min(K, told["matches"][share])
            seconds.append(answer["explain"]["search_seconds"])
        out.append({"share": share, "matches": told["matches"][share], "recall": cold_files.recall(found, told["truth"][share]),
                    "too_few": short, "p50_ms": statistics.median(seconds) * 1e3})
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--questions", type=int, default=200, metavar="N", help="200")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench filters")
    python = peer.python(ann_runs.REQUIREMENTS)
    folder = ann_sets.ready("sentences", python, False) if python else None
    if not folder:
        sys.exit("bench: without the sentences and the peers' environment there is nothing to ask")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-filters-") as name:
        found = measure(folder, Path(name), arguments.questions, python)
    report = {"machine": machine(), "questions": arguments.questions, "filters": found, "seconds": round(time.monotonic() - began)}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    about = report["machine"]
    print(f"{about['cpu']}, {about['cores']} cores; commit {about['commit']}; {arguments.questions} questions; {report['seconds'] / 60:.0f} min\n")
    print("\n".join(table(("filter", "records that match", "recall@10", "answers with too few", "search, p50, a process each"),
                          [(f"part < {one['share']}", f"{one['matches']:,}", f"{one['recall']:.3f}", str(one["too_few"]),
                            f"{one['p50_ms']:.1f} ms") for one in found])))
    if any(one["too_few"] for one in found):
        sys.exit("bench: an answer has fewer results than there are")


if __name__ == "__main__":
    main()
