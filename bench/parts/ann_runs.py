"""Runs the peers and Kedge over one set of vectors; each in a process of its own, when nothing else computes."""
import hashlib
import json
import re
import time
from pathlib import Path

from parts import ann_sets, peer
from parts.process import KEDGE, QUIET_CORES, clean_environment, machine, run, say, wait_until_quiet

REQUIREMENTS = ["faiss-cpu==1.15.1", "hnswlib==0.8.0", "usearch==2.26.6", "lancedb==0.40.0", "numpy==2.4.6", "pyarrow==26.0.1",
                "tokenizers==0.23.3"]
PEERS = ("flat", "faiss-pqfs", "faiss-rabitq", "faiss-hnsw", "hnswlib", "usearch-i8", "usearch-bf16", "lance-rq", "lance-pq")
# A graph over a million rows takes longer to build than all else here: graphs get the first 250,000.
OF_SET = {"text1m": ("flat", "faiss-pqfs", "faiss-rabitq", "lance-rq", "lance-pq"), "text250k": ("faiss-pqfs", "hnswlib")}
OF_MADE = ("flat", "faiss-pqfs", "faiss-rabitq")
QUIET_WAIT_SECONDS, QUIET_WAIT_IN_ALL = 60, 300
HERE = Path(__file__).resolve().parent
PROGRAMS = ("ann_program", "ann_threads", "ann_vectors", "ann_faiss", "ann_graphs", "ann_lance")  # decide what is measured


def peers_of(name, wanted):
    return [peer_name for peer_name in OF_SET.get(name, OF_MADE if name.startswith("made-") else PEERS) if peer_name in wanted]


class Patience:
    """Waits for a quiet machine, but not for ever: on a machine that others share a run ends, with their cores beside it."""

    def __init__(self, quick):
        self.left = 0 if quick else QUIET_WAIT_IN_ALL

    def run(self, command, environment):
        """(the JSON that a program prints, the cores that were busy with anything else meanwhile)."""
        began = time.monotonic()
        wait_until_quiet(began + min(self.left, QUIET_WAIT_SECONDS))
        self.left -= min(self.left, time.monotonic() - began)
        ran = run(command, environment)
        return json.loads(ran.output.strip().splitlines()[-1]), ran.others


def cached_peer(name, set_name, folder):
    """Where the figures of a peer lie: by what they depend on."""
    said = {"peer": name, "data": ann_sets.read(folder)["sha256"], "versions": REQUIREMENTS, "cpu": machine()["cpu"],
            "limits": ann_sets.kind_of(set_name)[2:],
            "programs": [hashlib.sha256((HERE / f"{name}.py").read_bytes()).hexdigest() for name in PROGRAMS]}
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:24]
    return peer.cache_folder() / "ann-peers" / f"{set_name}-{name}-{key}.json"


def measure_peer(python, name, set_name, folder, scratch, patience, reuse):
    """The figures of a peer; None, with a word, if it failed."""
    kept = cached_peer(name, set_name, folder)
    if reuse and kept.exists():
        found = json.loads(kept.read_text(encoding="utf-8"))
        if found["others"] <= QUIET_CORES:
            return {**found, "reused": True}
        say(f"bench: {set_name}: {name}: not reused, others used {found['others']} cores meanwhile")
    say(f"bench: {set_name}: {name}")
    limits = ann_sets.kind_of(set_name)
    found = {"engine": name}
    try:
        for phase, seconds in (("build", limits.build_seconds), ("search", limits.sweep_seconds)):
            command = [python, "-m", "parts.ann_program", phase, name, folder, scratch, seconds]
            found[phase], others = patience.run(command, ann_sets.environment())
            found["others"] = max(others, found.get("others", 0))
    except SystemExit as error:
        say(f"bench: SKIPPED {name}: {error}")
        return None
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(found) + "\n", encoding="utf-8")
    return found


def simd_paths():
    """Those that this CPU has, by the names of KEDGE_SIMD, slowest first."""
    flags = set(re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M).group(1).split())
    avx512 = {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl"}
    needs = {"avx2": {"avx2", "fma", "f16c"}, "avx512": avx512, "avx512bf16": {*avx512, "avx512_bf16"}}
    return [name for name, needed in needs.items() if needed <= flags] or ["scalar"]


def measure_kedge(set_name, folder, scratch, patience):
    """The figures of `kedge bench ann` on each SIMD path; an empty list, with a word, if it failed."""
    described, found = ann_sets.read(folder), []
    for path in simd_paths():
        say(f"bench: {set_name}: kedge, {path}")
        command = [KEDGE, "bench", "ann", "--base", folder / described["base"], "--queries", folder / "query.fvecs",
                   "--truth", folder / "truth.ivecs", "--metric", described["metric"], "-k", "10", "--json"]
        try:
            figures, others = patience.run(command, {**clean_environment(scratch), "KEDGE_SIMD": path})
        except SystemExit as error:
            say(f"bench: SKIPPED kedge: {error}")
            continue
        if figures["simd"] != path:
            raise SystemExit(f"bench: KEDGE_SIMD={path}, but kedge ran {figures['simd']}")
        found.append({"engine": f"kedge {path}", "kedge": figures, "others": others})
    return found
