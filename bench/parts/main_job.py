"""SciFact whole: first sync, judged retrieval, second syncs; and files without meaning in large numbers."""
import json
import os
import time
from pathlib import Path

from parts import scifact
from parts.process import KEDGE, quietly, run, say, sync

QUIET_LIMIT_SECONDS = 900
FRESH_SEARCHES = 5
QUIET_LIMIT_OF_A_SEARCH_SECONDS = 60


def retrieval(index):
    return [Path(KEDGE).parent / "retrieval_bench", index, scifact.DATA / "queries.jsonl", scifact.DATA / "qrels/test.tsv"]


def measure(scratch, environment, abstracts, quick):
    """The index stays, in scratch / "scifact" / ".kedge"."""
    folder = scratch / "scifact"
    scifact.write_abstracts(folder, abstracts)
    say("bench: scifact, first sync")

    def first_sync():
        for entry in (folder / ".kedge", scratch / "state"):
            if entry.exists():
                entry.rename(scratch / f"old-{time.monotonic_ns()}")
        counts, ran = sync(folder, environment)
        return {"abstracts": counts["indexed"], "split": counts["split_objects"], "chunks": counts["chunks"],
                "from_cache": counts["chunks_from_cache"], "seconds": round(ran.seconds, 2),
                "objects_per_second": round(counts["indexed"] / ran.seconds, 1),
                "chunks_per_second": round(counts["chunks"] / ran.seconds, 1),
                "model_share": round(counts["model_seconds"] / ran.seconds, 3), "peak_mib": round(ran.mebibytes)}, ran

    out = {"first_sync": quietly(first_sync, 0 if quick else QUIET_LIMIT_SECONDS)}

    def answer():
        ran = run(retrieval(folder / ".kedge"), environment)
        return {**json.loads(ran.output), "peak_mib": round(ran.mebibytes)}, ran

    out["retrieval"] = quietly(answer, 0 if quick else QUIET_LIMIT_OF_A_SEARCH_SECONDS)
    sync(folder, environment)  # files written just before the first sync may be racy: looked at once more
    again, ran = sync(folder, environment)
    out["second_sync"] = {"seconds": round(ran.seconds, 2), "objects_read": again["objects_read"],
                          "embedded": again["chunks_embedded"], "peak_mib": round(ran.mebibytes)}
    for path in folder.glob("*.txt"):
        os.utime(path, (time.time() - 86400,) * 2)
    touched, ran = sync(folder, environment)
    out["all_touched"] = {"seconds": round(ran.seconds, 2), "objects_read": touched["objects_read"],
                          "embedded": touched["chunks_embedded"], "peak_mib": round(ran.mebibytes)}
    return out


def listing(scratch, environment, count):
    """`count` small files, 1 % of them changed, with the embedder of tests: what listing and comparing cost."""
    say(f"bench: {count:,} files")
    folder = scratch / f"files-{count}"
    yesterday = time.time() - 86400
    for number in range(count):
        path = folder / f"{number % 100:02}" / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"object number {number} of a large source\n", encoding="utf-8")
        os.utime(path, (yesterday, yesterday))
    options = ("--model", "test:64")
    _, first = sync(folder, environment, *options)
    for number in range(0, count, 100):
        path = folder / f"{number % 100:02}" / f"{number}.txt"
        path.write_text(f"object number {number} has changed\n", encoding="utf-8")
        os.utime(path, (yesterday + 60,) * 2)
    changed, compare = sync(folder, environment, *options)
    _, unchanged = sync(folder, environment, *options)
    return {"files": count, "first_seconds": round(first.seconds, 2), "first_peak_mib": round(first.mebibytes),
            "changed": changed["changed"], "compare_seconds": round(compare.seconds, 2),
            "compare_peak_mib": round(compare.mebibytes), "unchanged_seconds": round(unchanged.seconds, 2),
            "unchanged_peak_mib": round(unchanged.mebibytes)}
