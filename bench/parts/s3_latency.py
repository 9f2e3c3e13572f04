"""Opening and one dense search when every request takes its time: Kedge beside LanceDB on the same delayed server.

The index is built before there is delay. Each search is a fresh process; beside it stands what the model says: in every
round the slowest of its requests. Loopback adds next to nothing for the bytes.
"""
import math
import random

from parts.process import say
from parts.s3_place import Emulator, call_peer, environment_on, kedge, peer_python, requests, requests_since

BUCKET, DIMENSION, WORDS = "latency", 384, 30
DELAYS = ("constant:30ms", "lognormal:30ms,100ms")
MODEL_DRAWS = 20_000
P99_SIGMAS = 2.326


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(part * len(ordered)) - 1)]


def draw(delay, chance):
    if delay.startswith("constant"):
        return 0.030
    return 0.030 * math.exp(chance.gauss(0, math.log(100 / 30) / P99_SIGMAS))


def modelled(delay, rounds, requests_of_all, chance):
    """p50 and p99 of the sum over rounds of the slowest request, requests spread evenly over rounds."""
    if not rounds:
        return {"p50": 0.0, "p99": 0.0}
    wide = max(1, round(requests_of_all / rounds))
    sums = [sum(max(draw(delay, chance) for _ in range(wide)) for _ in range(rounds))
            for _ in range(MODEL_DRAWS // wide + 100)]
    return {"p50": round(percentile(sums, 0.5), 3), "p99": round(percentile(sums, 0.99), 3)}


def fill(server, count):
    client = server.client()
    client.create_bucket(Bucket=BUCKET + "-docs")
    client.create_bucket(Bucket=BUCKET)
    chance = random.Random(count)
    lexicon = [f"word{number}" for number in range(5_000)]
    # Few objects of many chunks: the objects are not what is measured.
    chunks_an_object = 100
    for number in range(max(1, count // chunks_an_object)):
        text = "\n\n".join(" ".join(chance.choices(lexicon, k=100)) for _ in range(chunks_an_object))
        client.put_object(Bucket=BUCKET + "-docs", Key=f"{number}.txt", Body=text.encode())
    return [" ".join(chance.choices(lexicon, k=6)) for _ in range(WORDS)]


def of_kedge(server, environment, delay, questions, chance):
    environment = environment_on(server, environment)
    found, seen, others = [], None, 0
    for question in questions:
        before = requests(server)
        result, ran = kedge(["search", question, "--snippets", "none", "--index", f"s3://{BUCKET}/index", "--model",
                           f"test:{DIMENSION}"], environment)
        seen = requests_since(server, before)
        found.append(result["explain"])
        others = max(others, ran.others)
    last = found[-1]
    opened = [one["open_seconds"] for one in found]
    searched = [one["search_seconds"] for one in found]
    asked = sum(seen.values())
    rounds = last["rounds_index"] + last["rounds_search"]
    both = [a + b for a, b in zip(opened, searched)]
    return {"runs": len(found), "others": others, "rounds_open": last["rounds_index"], "rounds_search": last["rounds_search"],
            "requests": asked, "requests_by_operation": seen, "bytes": last["bytes"],
            "open": times(opened), "search": times(searched), "both": times(both),
            "model": modelled(delay, rounds, asked, chance)}


def times(seconds):
    return {"p50": round(percentile(seconds, 0.5), 3), "p99": round(percentile(seconds, 0.99), 3)}


def of_lance(interpreter, server, environment, questions, processes):
    """`first`: of fresh processes; `later`: further searches of the same process."""
    environment = environment_on(server, environment)
    opened, first, later, seen = [], [], [], None
    for _ in range(processes):
        before = requests(server)
        found, _ = call_peer(interpreter, environment, "query", BUCKET, DIMENSION, questions)
        seen = requests_since(server, before)
        opened.append(found["open_seconds"])
        first.append(found["search_seconds"][0])
        later += found["search_seconds"][1:]
    return {"runs": processes, "open": times(opened), "search": times(first), "later": times(later),
            "requests_of_a_process": sum(seen.values()), "searches_of_a_process": questions}


def measure(environment, chunks, quick):
    interpreter, chance = peer_python(), random.Random(chunks)
    out = {"dimension": DIMENSION, "delays": []}
    with Emulator() as server:
        questions = fill(server, chunks)
        say(f"bench: an index of {chunks:,} chunks")
        result, _ = kedge(["sync", f"s3://{BUCKET}-docs", "--index", f"s3://{BUCKET}/index", "--model", f"test:{DIMENSION}"],
                          environment_on(server, environment))
        out["chunks"] = result["sources"][0]["chunks"]
        if interpreter:
            out["lance_build"], _ = call_peer(interpreter, environment_on(server, environment), "build", BUCKET, out["chunks"],
                                              DIMENSION)
        for delay in DELAYS:
            say(f"bench: every request takes {delay}")
            server.change(latency=delay)
            row = {"delay": delay,
                   "kedge": of_kedge(server, environment, delay, questions[:5] if quick else questions, chance)}
            if interpreter:
                row["lance"] = of_lance(interpreter, server, environment, 5, 2 if quick else 10)
            out["delays"].append(row)
    return out
