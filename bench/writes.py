#!/usr/bin/env python3
"""What writing costs on a large index: small commits, appends, opening after many commits, and the start of the program.

    ./dev bench writes [--rows N] [--quick] [--json FILE]

An index of N (1,000,000) made vectors of 384 dimensions on the emulator of S3, without delay: requests, bytes and CPU time of
a commit of one row and of an append of 1,000; what opening reads after more and more commits of one row; a build in 1,000
small commits and a compaction beside a build in one go (100,000 rows, in memory); and how long `kedge version` and
`kedge status` take, as whole processes. --quick: a tenth of the rows.
"""
import argparse
import array
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from main import noisy
from parts import ann_runs, ann_sets, peer, writes_report
from parts.cold_model import percentile
from parts.cold_runs import uncached
from parts.process import KEDGE, clean_environment, machine, run, say
from parts.s3_place import Emulator, kedge, newest_record, records_since, requests, requests_since

BUCKET, ROWS, TURNS, APPENDED = "writes", 1_000_000, 5, 1_000
COMMITS = (1, 10, 100, 1_000)  # of one row, beside the index, in all
SMALL_COMMITS = 1_000


def records(path, first, count, chance):
    """Records of made vectors, whose ids are not those of the rows of a file."""
    with open(path, "w", encoding="utf-8") as file:
        for number in range(first, first + count):
            values = [round(chance.gauss(0, 1), 4) for _ in range(384)]
            file.write(json.dumps({"id": f"new-{number:09d}", "vector": values}) + "\n")
    return path


def imported(server, environment, file, *options):
    """One `kedge import`: CPU seconds of the process, requests by operation, bytes written."""
    before, sent = requests(server), sum(one["bytes_in"] for one in server.counts().values())
    _, ran = kedge(["import", file, "--index", f"s3://{BUCKET}/index", *options], environment, server)
    return {"seconds": round(ran.seconds, 3), "cpu_seconds": round(ran.cpu_seconds, 3), "others": ran.others,
            "requests": requests_since(server, before),
            "bytes_written": sum(one["bytes_in"] for one in server.counts().values()) - sent}


def opened(server, environment, question):
    """A search in a fresh process: what opening read."""
    mark = newest_record(server)
    result, _ = kedge(["search", "--vector", question, "--snippets", "none", "--index", f"s3://{BUCKET}/index"], environment)
    told = result["explain"]
    seen = records_since(server, mark, BUCKET)
    return {"requests": told["index_usage"]["reads"], "open_rounds": told["rounds_index"], "all_requests": len(seen),
            "bytes": told["bytes"], "segments": told["segments"]}


def small_writes(environment, folder, scratch):
    chance = random.Random(7)
    out = {}
    with Emulator() as server:
        environment = uncached(server, environment)
        server.client().create_bucket(Bucket=BUCKET)
        described = ann_sets.read(folder)
        say(f"bench: an index of {described['rows']:,} rows")
        out["build"] = imported(server, environment, folder / described["base"], "--metric", described["metric"])
        out["rows"] = described["rows"]
        question = scratch / "question.fvecs"
        question.write_bytes((384).to_bytes(4, "little") + array.array("f", [chance.gauss(0, 1) for _ in range(384)]).tobytes())
        say("bench: commits of one row, appends of 1,000")
        out["one_row"] = [imported(server, environment, records(scratch / "one.jsonl", turn, 1, chance), "--no-compact")
                          for turn in range(TURNS)]
        out["append"] = [imported(server, environment,
                                  records(scratch / "more.jsonl", 1_000 * (turn + 1), APPENDED, chance), "--no-compact")
                         for turn in range(TURNS)]
        out["opening"], done = [], 2 * TURNS
        for commits in COMMITS:
            if commits > done:
                imported(server, environment, records(scratch / "some.jsonl", 100_000 + done, commits - done, chance),
                         "--no-compact", "--batch", 1)
                done = commits
            out["opening"].append({"commits": done, **opened(server, environment, question)})
    return out


def one_build(folder, environment, scratch, *options):
    described = ann_sets.read(folder)
    ran = run([KEDGE, "bench", "ann", "--base", folder / described["base"], "--queries", folder / "query.fvecs", "--truth",
               folder / "truth.ivecs", "--metric", described["metric"], "--folder", scratch / "built", "--json", *options],
              environment)
    return {**json.loads(ran.output), "others": ran.others}


def starts(environment, scratch):
    """Milliseconds of whole processes, the median and the slowest of 50."""
    index = scratch / "small.kedge"
    run([KEDGE, "import", records(scratch / "start.jsonl", 0, 10, random.Random(1)), "--index", index, "--quiet"], environment)
    out = {}
    for name, words in (("version", ["version"]), ("status", ["status", "--index", index])):
        seconds = [run([KEDGE, *words], environment).seconds for _ in range(50)]
        out[name] = {"p50_ms": round(percentile(seconds, 0.5) * 1e3, 1), "most_ms": round(max(seconds) * 1e3, 1)}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rows", type=int, default=ROWS, help=f"of the index (default: {ROWS:,})")
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench writes")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    python = peer.python(ann_runs.REQUIREMENTS)
    if not python:
        sys.exit("bench: without the peers' environment there is nothing to make the data with")
    rows = arguments.rows // (10 if arguments.quick else 1)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-writes-") as name:
        scratch = Path(name)
        environment = clean_environment(scratch)
        report = {"starts": starts(environment, scratch)}
        report["writes"] = small_writes(environment, ann_sets.ready(f"made-{rows}", python, False), scratch)
        small = ann_sets.ready(f"made-{100_000 // (10 if arguments.quick else 1)}", python, False)
        batch = ann_sets.read(small)["rows"] // SMALL_COMMITS
        say(f"bench: a build in commits of {batch} rows, and one in one go")
        report["builds"] = {"small": one_build(small, environment, scratch, "--batch", batch),
                            "whole": one_build(small, environment, scratch)}
    report = {"machine": machine(), "seconds": round(time.monotonic() - began), **report, "noisy": noisy(report)}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(writes_report.all_tables(report))


if __name__ == "__main__":
    main()
