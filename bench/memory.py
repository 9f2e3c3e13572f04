#!/usr/bin/env python3
"""What commands hold in memory over ten times as much data: made documents, and the index of them.

    ./dev bench memory [--memory MIB] [--times N] [--json FILE]

The documents are made from a seed, most small and some of 4 MiB, N (10) times --memory (64 MiB) together; `kedge sync` of them into
a folder with the embedder of tests, whose vectors cost nothing, then searches, a compaction and checks in fresh processes. A sync of
one document and `kedge version` show what the program takes without any data. The exit code is 1 where a peak is above --memory.
"""
import argparse
import json
import random
import resource
import sys
import tempfile
import time
from pathlib import Path

from parts.process import KEDGE, clean_environment, machine, run, say
from parts.table import table

MEMORY_MIB, TIMES = 64, 10
SIZES_KIB, LARGE_KIB, ONE_IS_LARGE_OF = (4, 8, 16, 64, 256, 1_024), 4_096, 50
WORDS, WORDS_A_PARAGRAPH, LETTERS = 20_000, 60, "abcdefghijklmnopqrstuvwxyz"


def documents(folder, size_bytes):
    """How many files, and their bytes."""
    chance = random.Random(3)
    words = ["".join(chance.choices(LETTERS, k=chance.randint(2, 10))) for _ in range(WORDS)]
    made = count = 0
    while made < size_bytes:
        wanted = (chance.choice(SIZES_KIB) if count % ONE_IS_LARGE_OF else LARGE_KIB) << 10
        paragraphs, length = [], 0
        while length < wanted:
            paragraphs.append(" ".join(chance.choices(words, k=WORDS_A_PARAGRAPH)))
            length += len(paragraphs[-1]) + 2
        path = folder / str(count % 20) / f"{count}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(paragraphs))
        made, count = made + path.stat().st_size, count + 1
    return count, made


def size_of(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measure(scratch, memory_mib, times):
    environment, limits = clean_environment(scratch), ("--quiet", "--model", "test:64", "--memory", f"{memory_mib}MiB")
    big, one, index = scratch / "documents", scratch / "one", scratch / "index"
    one.mkdir()
    (one / "a.txt").write_text("one document\n")
    say("bench: documents")
    count, made = documents(big, times * memory_mib << 20)
    out = {"memory_mib": memory_mib, "documents": count, "document_mib": round(made / 2**20), "steps": []}

    def step(title, *words):
        say(f"bench: {title}")
        ran = run([KEDGE, *words], environment)
        out["steps"].append({"what": title, "peak_mib": round(ran.mebibytes), "seconds": round(ran.seconds, 1), "others": ran.others})
        return ran

    step("`kedge version`", "version")
    step("sync of one document", "sync", one, "--index", scratch / "small", *limits)
    synced = json.loads(step(f"sync of {made / 2**20:,.0f} MiB", "sync", big, "--index", index, *limits, "--json").output)
    out["chunks"] = synced["sources"][0]["chunks"]
    out["index_mib"] = round((size_of(index) - size_of(index / "cache")) / 2**20)
    question = (big / "1/1.txt").read_text()[:60].rpartition(" ")[0]
    step("search, 10 answers", "search", question, "--index", index, *limits)
    step("search, 1,000 chunks", "search", question, "-k", 1_000, "--group", "chunk", "--index", index, *limits)
    step("sync again", "sync", big, "--index", index, *limits)
    step("verify --full", "verify", "--full", "--index", index, *limits)
    step("compact", "compact", "--index", index, *limits)
    step("search, 10 answers, compacted", "search", question, "--index", index, *limits)
    out["held"] = all(one["peak_mib"] <= memory_mib for one in out["steps"])
    return out


def all_tables(report):
    about, found = report["machine"], report["memory"]
    rows = [(one["what"], f"{one['peak_mib']} MiB", f"{one['seconds']} s") for one in found["steps"]]
    verdict = "every peak is within --memory" if found["held"] else "A PEAK IS ABOVE --memory"
    return "\n".join([f"{about['cpu']}, {about['cores']} cores; commit {about['commit']}; {report['seconds']} s in all; "
                      f"{found['documents']:,} documents, {found['document_mib']:,} MiB, {found['chunks']:,} chunks; index "
                      f"{found['index_mib']:,} MiB: {verdict}", "", *table((f"`--memory {found['memory_mib']}MiB`", "peak memory", "time"), rows)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--memory", type=int, default=MEMORY_MIB, metavar="MIB", help=f"of every command (default: {MEMORY_MIB})")
    parser.add_argument("--times", type=int, default=TIMES, help=f"so much more documents (default: {TIMES})")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench memory")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kedge-bench-memory-") as name:
        found = measure(Path(name), arguments.memory, arguments.times)
    report = {"machine": machine(), "seconds": round(time.monotonic() - began), "memory": found}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(all_tables(report))
    return 0 if found["held"] else 1


if __name__ == "__main__":
    sys.exit(main())
