"""Kedge beside the usual Python pipeline: the same files, and the same chunks, in f32, on all cores, in turns."""
import os
import shutil

from parts import peer, scifact
from parts.process import CORES, median, quietly, say, sync

ABSTRACTS = 1500
QUIET_LIMIT_SECONDS = 600


def of_kedge(folder, scratch, environment, as_chunks):
    """One first sync of `folder`, with an index and a state of its own."""
    index = scratch / "equal-index"
    state = scratch / "equal-state"
    counts, ran = sync(folder, {**environment, "XDG_STATE_HOME": str(state)}, "--index", index)
    for made in (index, state):
        shutil.rmtree(made)
    if counts["chunks_embedded"] + counts["chunks_from_cache"] != counts["chunks"] or counts["chunks_from_cache"] * 100 > counts["chunks"]:
        raise SystemExit(f"bench: a first sync took {counts['chunks_from_cache']} chunks from a cache")
    # At equal chunks only the peer's are counted: what Kedge split, for its 256 tokens, is work on top.
    chunks = counts["indexed"] if as_chunks else counts["chunks"]
    seconds = ran.seconds
    figures = {"objects": counts["indexed"], "chunks": counts["chunks"], "split": counts["split_objects"],
               "tokens": counts["tokens"], "seconds": seconds, "objects_per_second": counts["indexed"] / seconds,
               "chunks_per_second": chunks / seconds, "model_share": counts["model_seconds"] / seconds,
               "peak_mib": ran.mebibytes}
    return figures, ran


def of_peer(interpreter, folder, scratch, as_chunks):
    """The whole process, imports included, as for Kedge; and without imports and the opening of the model."""
    table = scratch / "peer-table"
    shutil.rmtree(table, ignore_errors=True)
    words = ["index", os.environ["KEDGE_MODEL_DIR"], folder, table, *(["--whole"] if as_chunks else [])]
    found, ran = peer.call(interpreter, *words)
    seconds = ran.seconds
    if found["threads"] != CORES:
        raise SystemExit(f"bench: the peer ran with {found['threads']} threads on {CORES} cores")
    figures = {"objects": found["objects"], "chunks": found["chunks"], "seconds": seconds,
               "objects_per_second": found["objects"] / seconds, "chunks_per_second": found["chunks"] / seconds,
               "objects_per_second_when_open": found["objects"] / found["work_seconds"],
               "chunks_per_second_when_open": found["chunks"] / found["work_seconds"],
               "import_and_open_seconds": found["import_and_open_seconds"],
               "model_share": found["model_seconds"] / found["work_seconds"], "peak_mib": ran.mebibytes}
    return figures, ran


def middle(runs):
    """Field by field the median; counts are equal in all runs."""
    out = {}
    for name in runs[0]:
        value = median(run[name] for run in runs)
        out[name] = value if isinstance(runs[0][name], int) else round(value, 3)
    return out


def measure(scratch, environment, quick, turns):
    interpreter = peer.python()
    quiet_limit = 0 if quick else QUIET_LIMIT_SECONDS
    count = ABSTRACTS // 10 if quick else ABSTRACTS
    abstracts, chunks = scratch / "abstracts", scratch / "chunks"
    scifact.write_abstracts(abstracts, count)
    written = scifact.write_chunks(abstracts, chunks)
    found = {name: [] for name in ("kedge_files", "peer_files", "kedge_equal_chunks", "peer_equal_chunks")}
    for turn in range(turns):
        for name, folder in (("files", abstracts), ("equal_chunks", chunks)):
            as_chunks = name == "equal_chunks"
            say(f"bench: turn {turn + 1} of {turns}, {name}")
            found["kedge_" + name].append(
                quietly(lambda: of_kedge(folder, scratch, environment, as_chunks), quiet_limit))
            if interpreter:
                found["peer_" + name].append(
                    quietly(lambda: of_peer(interpreter, folder, scratch, as_chunks), quiet_limit))
    out = {"abstracts": count, "chunk_characters": scifact.peer_pipeline.CHUNK_CHARACTERS, "chunk_files": written,
           "runs": turns, "peer": peer.REQUIREMENTS if interpreter else None,
           **{name: middle(runs) for name, runs in found.items() if runs}, "all_runs": found}
    return {**out, **compare(out, written)}


def compare(out, written):
    ours, theirs = out["kedge_equal_chunks"], out.get("peer_equal_chunks")
    if ours["objects"] != written:
        raise SystemExit(f"bench: {written} chunks were written, kedge indexed {ours['objects']}")
    if not theirs:
        return {}
    if theirs["chunks"] != written:
        raise SystemExit(f"bench: {written} chunks were written, the peer indexed {theirs['chunks']}")
    # Kedge's whole process against the peer without its imports: the ratio that favours the peer.
    return {"speed_ratio": round(ours["chunks_per_second"] / theirs["chunks_per_second_when_open"], 3),
            "speed_ratio_whole_process": round(ours["chunks_per_second"] / theirs["chunks_per_second"], 3),
            "memory_ratio": round(ours["peak_mib"] / theirs["peak_mib"], 3)}
