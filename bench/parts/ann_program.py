"""The programs that measure one peer of Kedge's index, on one pinned thread. They run in the peers' environment.

    python -m parts.ann_program build  PEER SET SCRATCH SECONDS     makes the index, writes it below SCRATCH
    python -m parts.ann_program search PEER SET SCRATCH SECONDS     opens it in a fresh process and asks it
    python -m parts.ann_program call_cost                           what LanceDB's call costs on a table of 100 rows

Both print JSON at the end. One query at a time, k = 10. A point of the sweep is the best of the whole passes over the
queries that fit into PASS_SECONDS, or a part of one pass where the peer is slow; only the calls are timed, not the loop.
SECONDS bounds a build in CPU time and a sweep in time.
"""
import json
import os
import resource
import sys
import time
from pathlib import Path

from parts.ann_threads import pin

pin()  # before any of the libraries below is there
import numpy as np  # noqa: E402

from parts import ann_vectors  # noqa: E402

K = 10
PASS_SECONDS, SLOW_PASS_SECONDS, FEWEST_QUERIES = 0.6, 1.5, 200
ENOUGH, GAIN = 0.994, 0.0008  # a series of settings ends at this recall, or where more effort adds less than this


def peer_of(name, described):
    """The peer by its name; imports only the library that it needs."""
    if name == "flat" or name.startswith("faiss"):
        from parts import ann_faiss as module  # noqa: PLC0415
    elif name.startswith("lance"):
        from parts import ann_lance as module  # noqa: PLC0415
    else:
        from parts import ann_graphs as module  # noqa: PLC0415
    return module.PEERS[name](described)


def peak_mebibytes():
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def size_of(path):
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def build(peer, folder, place, seconds):
    base = ann_vectors.load(ann_vectors.base_path(folder))
    peer.prepare(base, place)  # not an index's work: a table of raw vectors
    began, began_cpu = time.perf_counter(), time.process_time()
    rows = peer.build(base, lambda: time.process_time() - began_cpu > seconds)
    cpu = time.process_time() - began_cpu
    took = time.perf_counter() - began
    if rows < len(base):
        sys.exit(f"over {seconds} CPU seconds at {rows} of {len(base)} rows")
    peer.save(place)
    every = size_of(place)
    return {"rows": rows, "cpu_seconds": round(cpu, 2), "seconds": round(took, 2), "bytes": every,
            "index_bytes": every - peer.raw_bytes(base), "peak_mib": peak_mebibytes(), "setting": peer.SETTING}


def recall(found, truth):
    return sum(len(np.intersect1d(ids[:K], true[:K])) for ids, true in zip(found, truth)) / (K * len(found))


def measure(ask, queries, truth):
    """One point: the best pass's queries a second, its latencies, and the recall of the longest."""
    ask(queries[0])
    ask(queries[1])
    best, cpu, answers, began = None, 0.0, [], time.perf_counter()
    while True:
        found, times, began_cpu = [], np.empty(len(queries)), time.process_time()
        for number, query in enumerate(queries):
            start = time.perf_counter()
            ids = ask(query)
            times[number] = time.perf_counter() - start
            found.append(ids)
            if number + 1 >= FEWEST_QUERIES and time.perf_counter() - began > SLOW_PASS_SECONDS:
                break
        times = times[:len(found)]
        if best is None or times.mean() < best.mean():
            best, cpu = times, (time.process_time() - began_cpu) / len(found)
        answers = found if len(found) >= len(answers) else answers
        if time.perf_counter() - began > PASS_SECONDS:
            break
    return {"recall": round(recall(answers, truth), 4), "qps": round(1 / best.mean(), 1), "queries": len(answers),
            "p50_us": round(float(np.median(best)) * 1e6, 1), "p99_us": round(float(np.percentile(best, 99)) * 1e6, 1),
            "cpu_us": round(cpu * 1e6, 1)}


def search(peer, folder, place, seconds):
    queries = peer.convert(ann_vectors.load(folder / "query.fvecs"))
    truth = ann_vectors.load(folder / "truth.ivecs")
    peer.open(place)
    opened, end, points, cut = peak_mebibytes(), time.perf_counter() + seconds, [], False
    for series in peer.sweep():
        last = -1.0
        for settings in series:
            cut = time.perf_counter() > end
            if cut:
                break
            peer.set(**settings)
            point = measure(peer.ask, queries, truth)
            points.append({**settings, **point})
            if point["recall"] > ENOUGH or point["recall"] < last + GAIN:
                break
            last = point["recall"]
    return {"points": points, "cut": cut, "opened_mib": opened, "peak_mib": peak_mebibytes(), "version": peer.version()}


def call_cost():
    from parts import ann_lance  # noqa: PLC0415
    return {"call_us": ann_lance.call_cost()}


def main():
    words = sys.argv[1:]
    if words == ["call_cost"]:
        print(json.dumps(call_cost()))
        return
    phase, name, folder, scratch, seconds = words
    folder, place = Path(folder), Path(scratch) / name
    described = {**json.loads((folder / "set.json").read_text()), "folder": str(folder)}
    peer = peer_of(name, described)
    print(json.dumps({"build": build, "search": search}[phase](peer, folder, place, float(seconds))))
    sys.stdout.flush()
    os._exit(0)  # without the libraries' farewells: an index of gigabytes is not freed piece by piece


if __name__ == "__main__":
    main()
