"""The reason for an index: one question over SciFact, with the index and without it. The files are in the page cache for
all of them."""
import os
import sys
from pathlib import Path

from parts import peer, scifact
from parts.process import KEDGE, median, quietly, run, say

RUNS = 5
QUIET_LIMIT_SECONDS = 60
WORDS = Path(__file__).resolve().parent / "words.py"


def fresh(arguments, environment, runs, quick):
    """Median seconds and the highest peak memory of fresh processes."""
    found = []
    for _ in range(runs):
        def once():
            ran = run(arguments, environment)
            return {"seconds": ran.seconds, "peak_mib": ran.mebibytes}, ran
        found.append(quietly(once, 0 if quick else QUIET_LIMIT_SECONDS))
    return {"seconds": round(median(one["seconds"] for one in found), 3),
            "peak_mib": round(max(one["peak_mib"] for one in found)), "runs": runs,
            "others": max(one["others"] for one in found)}


def measure(scratch, environment, main_job, peer_chunks, quick):
    """After main_job (the index of all of SciFact) and equal_chunks (the peer's table, of `peer_chunks`) were made."""
    say("bench: one question")
    folder, question = scratch / "scifact", scifact.question()
    runs = 1 if quick else RUNS
    out = {"question": question}
    search = fresh([KEDGE, "search", question, "--index", folder / ".kedge", "--json"], environment, runs, quick)
    first, opened = main_job["first_sync"], main_job["retrieval"]
    out["embed_everything"] = {"how": "kedge sync into an empty index, then kedge search",
                               "seconds": round(first["seconds"] + search["seconds"], 1), "peak_mib": first["peak_mib"]}
    out["match_words"] = {"how": "bench/parts/words.py, a Python script that reads every file and ranks by tf-idf",
                          **fresh([sys.executable, WORDS, folder, question], environment, runs, quick)}
    out["fresh_search"] = {"how": "kedge search, a fresh process", **search}
    out["open_search"] = {"how": "kedge::Client::search with snippets, median of the judged questions",
                          "seconds": round(opened["p50_ms"] / 1e3, 5), "p99_seconds": round(opened["p99_ms"] / 1e3, 5),
                          "peak_mib": opened["peak_mib"]}
    interpreter = peer.python()
    if interpreter and (scratch / "peer-table").exists():
        words = ["search", os.environ["KEDGE_MODEL_DIR"], scratch / "peer-table", question]
        found, _ = peer.call(interpreter, *words)
        out["peer_fresh_search"] = {
            "how": f"imports, model and one query of a LanceDB table of {peer_chunks:,} chunks, a fresh process",
            **fresh([interpreter, peer.PROGRAM, *words], peer.environment(), runs, quick),
            "of_it_imports_and_model": round(found["import_and_open_seconds"], 2)}
        out["peer_open_search"] = {"how": "the same, asked once more", "seconds": round(found["again_seconds"], 4)}
    return out
