"""Cold searches on the emulator: fresh processes, nothing cached, every request delayed; Kedge and LanceDB."""
import json
from typing import NamedTuple

from parts import ann_sets, cold_files
from parts.cold_model import modelled, times
from parts.process import run, say
from parts.s3_place import environment_on, kedge, newest_record, records_since, requests, requests_since

BUCKET, K = "cold", 10
BANDWIDTH = 200_000_000  # bytes a second of all answers together
DELAYS = ("constant:30ms", "lognormal:30ms,100ms")
RECALLS = (0.85, 0.9, 0.91, 0.92, 0.925, 0.93, 0.94, 0.942, 0.945, 0.95, 0.96, 0.97, 0.98, 0.99, 0.999)  # what is asked of Kedge until the target is reached
ROUND_GAP = 0.025  # seconds without a beginning request between two rounds, where each request takes 30 ms
LANCE_THREADS = (None, "64")


class Goal(NamedTuple):
    recall: float
    requests: int
    mebibytes: float


GOALS = {"text1m": Goal(0.90, 96, 16), "sentences": Goal(0.95, 48, 4)}


def uncached(server, environment):
    """Of a program that sees this server, and keeps nothing on the disk."""
    return {**environment_on(server, environment), "KEDGE_DISK_CACHE": "off"}


class Kedge:
    """One set in an index on the server."""

    def __init__(self, server, environment, folder, scratch):
        self.server, self.environment, self.folder = server, uncached(server, environment), folder
        self.index, self.scratch = f"s3://{BUCKET}/{folder.name}", scratch
        self.questions = cold_files.rows_of(folder / "query.fvecs", "f", 200)
        self.truth = cold_files.rows_of(folder / "truth.ivecs", "i", 200)

    def build(self):
        described = ann_sets.read(self.folder)
        found, ran = kedge(["import", self.folder / described["base"], "--metric", described["metric"], "--index", self.index],
                           self.environment)
        return {"rows": found["records"], "seconds": round(ran.seconds, 1), "peak_mib": round(ran.mebibytes)}

    def search(self, number, recall):
        """(what a fresh process printed, requests by operation, cores busy with anything else)."""
        file = cold_files.write_vector(self.scratch / "question.fvecs", self.questions[number % len(self.questions)])
        before = requests(self.server)
        result, ran = kedge(["search", "--vector", file, "-k", K, "--recall", recall, "--all", "--snippets", "none",
                             "--index", self.index], self.environment, self.server)
        return result, requests_since(self.server, before), ran.others

    def numbers(self, result):
        return [int(hit["key"]) for hit in result["results"]]

    def setting_for(self, target, count):
        """(the least --recall that reaches the target on these questions, the recall that it gives)."""
        for asked in (one for one in RECALLS if one >= target - 0.05):
            found = [self.numbers(self.search(number, asked)[0]) for number in range(count)]
            reached = cold_files.recall(found, self.truth)
            if reached >= target:
                return asked, reached
        raise SystemExit(f"bench: {self.folder.name}: no --recall reaches {target}")

    def shape_of(self, number, recall):
        """The requests of each round, opening first, told by the pauses between them; how many of the rounds are opening's; and all
        requests. Copies that hedges sent begin in their round's pause, so that they are left out by their range."""
        mark = newest_record(self.server)
        told = self.search(number, recall)[0]["explain"]
        records = records_since(self.server, mark, BUCKET)
        rounds, last, seen = [], None, set()
        for record in sorted(records, key=lambda one: one["began_us"]):
            if (record["key"], record.get("range")) in seen:
                continue
            seen.add((record["key"], record.get("range")))
            if last is None or record["began_us"] - last > ROUND_GAP * 1e6:
                rounds.append(0)
            rounds[-1] += 1
            last = record["began_us"]
        return rounds, told["rounds_index"], records

    def measure(self, delay, recall, runs):
        opened, searched, asked, plain, others, explained = [], [], [], [], 0, []
        for number in range(runs):
            result, seen, busy = self.search(number, recall)
            told = result["explain"]
            explained.append(told)
            opened.append(told["open_seconds"])
            searched.append(told["search_seconds"])
            asked.append(sum(seen.values()))
            plain.append(told["requests"])
            others = max(others, busy)
        count = [one["bytes"] for one in explained]
        hedges = sum(one["hedges"] for one in explained)
        return {"runs": runs, "others": others, "open": times(opened), "search": times(searched),
                "both": times([a + b for a, b in zip(opened, searched)]),
                "requests": {"p50": sorted(asked)[runs // 2], "most": max(asked)}, "hedges": round(hedges / runs, 2),
                "without_hedges": {"p50": sorted(plain)[runs // 2], "most": max(plain)},
                "rounds": round(sum(one["rounds_search"] for one in explained) / runs, 2),
                "third_rounds": sum(one["rounds_search"] > 2 for one in explained),
                "bytes": {"p50": sorted(count)[runs // 2], "most": max(count)}}


def shapes_of(index, recall, count):
    """Of so many searches the requests of the rounds after opening, and their bytes; of the first all records too."""
    shapes, first = [], None
    for number in range(count):
        rounds, of_opening, records = index.shape_of(number, recall)
        opening = sum(rounds[:of_opening])
        opened = sum(one["bytes"] for one in records[:opening])
        shapes.append((rounds[of_opening:], sum(one["bytes"] for one in records) - opened))
        first = first or {"opening": opening, "open_bytes": opened, "records": records}
    return shapes, first


def of_kedge(server, environment, folder, scratch, goal, quick):
    index = Kedge(server, environment, folder, scratch)
    say(f"bench: {folder.name}: kedge import")
    out = {"build": index.build()}
    asked, reached = index.setting_for(goal.recall, 20 if quick else 100)
    out.update(asked_recall=asked, recall=round(reached, 4), delays={})
    for delay in DELAYS:
        say(f"bench: {folder.name}: kedge, {delay}")
        server.change(latency=delay, shared_bandwidth=BANDWIDTH)
        if delay.startswith("constant"):
            out["shapes"], first = shapes_of(index, asked, 5 if quick else 40)
            out.update(first)
        row = index.measure(delay, asked, 10 if quick else 100)
        out["delays"][delay] = {**row, "model": modelled(delay, out["shapes"], BANDWIDTH)}
    server.change(latency="", shared_bandwidth=0)
    return out


def call_lance(python, environment, *words):
    ran = run([python, "-m", "parts.cold_lance", *map(str, words)], environment)
    return json.loads(ran.output.strip().splitlines()[-1])


def of_lance(server, python, environment, folder, goal, quick):
    environment = {**uncached(server, environment), **{name: value for name, value in ann_sets.environment().items()
                                                    if name.startswith("PYTHON")}, "LANCE_LOG": "error", "RUST_LOG": "error"}
    bucket = f"{BUCKET}-lance-{folder.name}"
    server.client().create_bucket(Bucket=bucket)
    say(f"bench: {folder.name}: LanceDB, table and index")
    out = {"build": call_lance(python, environment, "build", folder, bucket)}
    setting = call_lance(python, environment, "tune", folder, bucket, goal.recall, 20 if quick else 100)
    if not setting:
        say(f"bench: {folder.name}: LanceDB does not reach {goal.recall}")
        return out
    out.update(setting=setting, delays={})
    runs = 2 if quick else 6
    for delay in DELAYS:
        server.change(latency=delay, shared_bandwidth=BANDWIDTH)
        out["delays"][delay] = {}
        for threads in LANCE_THREADS:
            say(f"bench: {folder.name}: LanceDB, {delay}, {threads or 'default'} threads")
            extra = {} if threads is None else {"LANCE_IO_THREADS": threads, "LANCE_CPU_THREADS": threads,
                                                "TOKIO_WORKER_THREADS": threads}
            firsts, laters, seen = [], [], None
            for number in range(runs):
                mark = newest_record(server)
                before = requests(server)
                one = call_lance(python, {**environment, **extra}, "search", folder, bucket, setting["probes"],
                                 setting["refine"], number, 1)
                seen = sum(requests_since(server, before).values())
                told = records_since(server, mark, bucket)
                if delay == DELAYS[0]:
                    out["records"] = told
                firsts.append(one["open_seconds"] + one["search_seconds"][0])
            one = call_lance(python, {**environment, **extra}, "search", folder, bucket, setting["probes"],
                             setting["refine"], 0, 4 if quick else 12)
            laters += one["search_seconds"][1:]
            out["delays"][delay][threads or "default"] = {
                "runs": runs, "first": times(firsts), "later": times(laters), "requests": seen,
                "bytes": sum(record["bytes"] for record in told)}
    server.change(latency="", shared_bandwidth=0)
    return out


def measure(server, python, environment, folder, scratch, goal, quick):
    out = {"goal": goal._asdict(), "kedge": of_kedge(server, environment, folder, scratch, goal, quick)}
    if python:
        out["lance"] = of_lance(server, python, environment, folder, goal, quick)
    return out



