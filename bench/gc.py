#!/usr/bin/env python3
"""Garbage collection at scale: a million files that nobody names, beside keys of others that nearly look like them.

    ./dev bench gc [--orphans N] [--documents N] [--json FILE]

On the emulator of S3, without delay: an index of some documents, N (1,000,000) orphans of its naming, and keys of others that
differ from such names in one place. `kedge gc --dry-run` explains every key; a first `kedge gc` is killed when half of the
batches are gone, a second one ends the work. It is checked that every orphan went, that every other key is as it was, and that the
index finds what it found.
"""
import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from parts.process import KEDGE, clean_environment, machine, run, say
from parts.s3_place import Emulator, environment_on, kedge, requests, requests_since
from parts.table import table

import near_misses  # of tests/s3, which s3_place has made known

BUCKET, ORPHANS, DOCUMENTS, BATCH = "collected", 1_000_000, 500, 1_000
MODEL = "test:64"  # that of tests
INDEX = f"s3://{BUCKET}/index"
SHAPES = (("seg/{hh}/{32}", .8), ("del/{32}-{32}", .1), ("tree/{32}", .1))
DAY_SECONDS = 86_400


def everything(client):
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def found_by_a_search(environment):
    hits, _ = kedge(["search", "object of the bucket", "-k", 1000, "--all", "--snippets", "none", "--index", INDEX, "--model", MODEL], environment)
    return sorted((hit["key"], hit["etag"]) for hit in hits["results"])


def killed_in_the_middle(server, environment, batches):
    """A collection that is ended by SIGKILL once so many batches are gone, in its next one. Its requests."""
    before = requests(server)
    server.misbehave({"fault": "stall", "operation": "DeleteObjects", "skip": batches, "times": 1})
    process = subprocess.Popen([KEDGE, "gc", "--index", INDEX, "--quiet"], env=environment, stdout=subprocess.DEVNULL)
    server.wait_for_faults()
    process.send_signal(signal.SIGKILL)
    process.wait()
    server.behave()
    return requests_since(server, before)


def measure(scratch, orphans, documents):
    with Emulator() as server:
        environment = environment_on(server, clean_environment(scratch))
        client = server.client()
        client.create_bucket(Bucket=BUCKET)
        for number in range(documents):
            client.put_object(Bucket=BUCKET, Key=f"docs/{number}.txt", Body=f"object {number} of the bucket\n".encode())
        kedge(["sync", f"s3://{BUCKET}/docs", "--index", INDEX, "--model", MODEL], environment)
        others = near_misses.names("index/", near_misses.cache_of(everything(client)))
        near_misses.put(client, BUCKET, others)
        of_others = set(others)
        before, live = everything(client), found_by_a_search(environment)
        say(f"bench: {orphans:,} orphans beside {len(others):,} keys of others")
        made = 0
        for name, share in SHAPES:
            count = orphans - made if name == SHAPES[-1][0] else int(orphans * share)
            server.fill(BUCKET, "index/", count, 1_000, name)
            made += count
        server.change(clock_offset_seconds=3 * DAY_SECONDS)
        out = {"orphans": orphans, "others": len(others), "documents": documents}
        say("bench: gc --dry-run")
        with open(scratch / "plan", "wb") as plan:
            counted = requests(server)
            ran = run(["sh", "-c", '"$@" > "$0"', plan.name, KEDGE, "gc", "--dry-run", "--json", "--index", INDEX], environment)
        said = [line for line in (scratch / "plan").read_text().split("\n") if line.startswith('{"key":')]
        out["plan"] = {"seconds": round(ran.seconds, 1), "peak_mib": round(ran.mebibytes), "explained": len(said),
                       "go": sum('"goes":true' in line for line in said), "requests": requests_since(server, counted)}
        del said
        say("bench: gc, killed in the middle")
        out["killed"] = {"requests": killed_in_the_middle(server, environment, max(1, orphans // BATCH // 2))}
        server.change(clock_offset_seconds=0)  # for boto3, which signs by the clock of this machine
        left = len(everything(client)) - len(before)
        server.change(clock_offset_seconds=3 * DAY_SECONDS)
        out["killed"]["removed"] = orphans - left
        say(f"bench: gc, of the {left:,} that are left")
        counted = requests(server)
        report, ran = kedge(["gc", "--index", INDEX], environment, server)
        out["whole"] = {"seconds": round(ran.seconds, 1), "cpu_seconds": round(ran.cpu_seconds, 1), "others": ran.others,
                        "peak_mib": round(ran.mebibytes), "removed": report["removed"], "stopped": report["stopped"],
                        "requests": requests_since(server, counted)}
        server.change(clock_offset_seconds=0)
        after = everything(client)
        changed = sorted(key for key in set(before) | set(after) if after.get(key) != before.get(key))
        out["wrong"] = [key for key in changed if key in of_others or not near_misses.may_change(key, "index/")]
        out["wrong"] += [] if found_by_a_search(environment) == live else ["what a search finds"]
        return out


def of_requests(counts):
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def all_tables(report):
    about, found = report["machine"], report["gc"]
    rows = [("`kedge gc --dry-run --json`", f"{found['plan']['explained']:,} keys explained, {found['plan']['go']:,} go",
             f"{found['plan']['seconds']} s", f"{found['plan']['peak_mib']} MiB", of_requests(found["plan"]["requests"])),
            ("`kedge gc`, killed", f"{found['killed']['removed']:,} removed", "", "", of_requests(found["killed"]["requests"])),
            ("`kedge gc` again", f"{found['whole']['removed']:,} removed", f"{found['whole']['seconds']} s",
             f"{found['whole']['peak_mib']} MiB", of_requests(found["whole"]["requests"]))]
    return "\n".join([f"{about['cpu']}, {about['cores']} cores; commit {about['commit']}; {report['seconds']} s in all", "",
                      *table((f"{found['orphans']:,} orphans, {found['others']:,} keys of others", "", "time", "peak memory",
                              "requests"), rows), "",
                      f"Wrongly changed or left: {', '.join(found['wrong']) or 'nothing'}"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--orphans", type=int, default=ORPHANS, help=f"files that nobody names (default: {ORPHANS:,})")
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help=f"of the index (default: {DOCUMENTS})")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench gc")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-gc-") as name:
        found = measure(Path(name), arguments.orphans, arguments.documents)
    report = {"machine": machine(), "seconds": round(time.monotonic() - began), "gc": found}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(all_tables(report))
    return 1 if found["wrong"] or found["whole"]["stopped"] else 0


if __name__ == "__main__":
    sys.exit(main())
