#!/usr/bin/env python3
"""A bucket that is changed behind Kedge's back while syncs and searches run: is anything shown that is not true, anything lost?

    ./dev soak drift [--minutes N] [--objects N] [--changes N] [--seed S] [--json FILE]

100,000 objects on the emulator (--objects), of which four fifths are overwritten, written again with the same bytes, deleted and
made again for --minutes (60), --changes a second (50). Meanwhile `kedge sync` runs without a pause, and searches, each a process of its
own. What the bucket held at every moment is noted here, and never asked of Kedge:

* a result that is shown as verified was current at some moment of its search, and its snippet is text of that version;
* a sync deletes no more objects than were deleted, and the objects that nobody touches are found at any time;
* after the last change, how long and how many requests it takes until `kedge verify --full` finds nothing.

Exit code 1: something did not hold; it is printed as it is found.
"""
import argparse
import collections
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/cli"), str(ROOT / "tests/s3")]

from parts.process import KEDGE, machine, say  # noqa: E402
from parts.s3_place import Emulator, requests, requests_since  # noqa: E402
from s3_bucket import S3Bucket  # noqa: E402

CHANGERS, SEARCHERS, UPLOADERS = 2, 2, 8
STILL = 5  # one key of so many is never touched
WORDS = ("pump", "valve", "harbour", "invoice", "winter", "bearing", "contract", "signal", "copper", "orchard", "ledger", "turbine",
         "ferry", "basalt", "quartz", "lantern", "mill", "granite", "sluice", "beacon")
ODDS = {"overwrite": 55, "same bytes": 15, "delete": 15, "make again": 15}


class Truth:
    """What each key held and when. A version counts from before its request to after the request that ends it."""

    def __init__(self):
        self.lock = threading.Lock()
        self.versions = collections.defaultdict(list)  # key: [began, ended, etag or None, text]
        self.deleted = 0

    def begin(self, key, text):
        with self.lock:
            self.versions[key].append([time.monotonic(), None, None, text])

    def end(self, key, etag):
        with self.lock:
            version = self.versions[key][-1]
            version[1], version[2] = time.monotonic(), etag
            self.deleted += version[3] is None

    def holds(self, key):
        with self.lock:
            return self.versions[key][-1][3]

    def texts_during(self, key, etag, began, ended):
        """Of the versions with this tag that were current at some moment in between."""
        with self.lock:
            versions = list(self.versions[key])
        found = []
        for version, following in zip(versions, [*versions[1:], None]):
            over = following[1] if following and following[1] is not None else ended
            # Under way: its tag is not known yet, and may be the one.
            if version[3] is not None and version[2] in (etag, None) and version[0] <= ended and over >= began:
                found.append(version[3])
        return found


class Chaos:
    def __init__(self, arguments, bucket):
        self.bucket, self.seed = bucket, arguments.seed
        self.objects, self.rate = arguments.objects, arguments.changes
        self.truth = Truth()
        self.stop = threading.Event()
        self.broken = threading.Event()  # what goes on at once has ended by an exception
        self.counts = collections.Counter()
        self.lock = threading.Lock()
        self.wrong = []

    def count(self, name, by=1):
        with self.lock:
            self.counts[name] += by

    def blame(self, what):
        with self.lock:
            self.wrong.append(what)
        say(f"soak: NOT TRUE: {what}")

    @staticmethod
    def key(number):
        return f"{number % 100:02}/{number}.txt"

    @staticmethod
    def text(number, chance):
        return f"Paper {number}, revision {chance.randrange(10**9)}: " + " ".join(chance.choices(WORDS, k=12)) + ".\n"

    def write(self, client, number, text):
        key = self.key(number)
        self.truth.begin(key, text)
        answer = client.put_object(Bucket=self.bucket.name, Key=f"docs/{key}", Body=text.encode())
        self.truth.end(key, answer["ETag"].strip('"'))

    def fill(self):
        def some(first):
            client, chance = self.bucket.server.client(), random.Random(self.seed + first)
            for number in range(first, self.objects, UPLOADERS):
                self.write(client, number, self.text(number, chance))
        self.together([threading.Thread(target=some, args=(first,)) for first in range(UPLOADERS)])

    @staticmethod
    def together(threads):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # ---- what goes on at once; each until the stop

    def change(self, which):
        client, chance = self.bucket.server.client(), random.Random(self.seed * 1000 + which)
        while not self.stop.wait(CHANGERS / self.rate):
            number = chance.randrange(self.objects)
            # Each key has one changer, so that its versions have an order.
            if number % STILL == 0 or number % CHANGERS != which:
                continue
            key, before = self.key(number), self.truth.holds(self.key(number))
            kind = chance.choices(list(ODDS), list(ODDS.values()))[0] if before is not None else "make again"
            if kind == "delete":
                self.truth.begin(key, None)
                client.delete_object(Bucket=self.bucket.name, Key=f"docs/{key}")
                self.truth.end(key, None)
            else:
                self.write(client, number, before if kind == "same bytes" else self.text(number, chance))
            self.count(f"changes: {kind}")

    def kedge(self, *words, codes=(0,)):
        done = subprocess.run([KEDGE, *map(str, words), "--index", self.bucket.index, "--json"], env=self.bucket.environment,
                              cwd=self.bucket.folder, capture_output=True, check=False)
        if done.returncode not in codes:
            self.blame(f"kedge {words[0]} ended with {done.returncode}: {done.stderr.decode(errors='replace')[-500:]}")
            return None
        return json.loads(done.stdout)

    def sync(self):
        """One sync. 3: some objects vanished or changed while it read them; the next one takes them."""
        found = self.kedge("sync", self.bucket.source, codes=(0, 3))
        if not found:
            return
        counts = found["sources"][0]
        for name in ("added", "changed", "deleted", "withheld", "vanished", "chunks_embedded", "commits"):
            self.count(f"synced: {name}", counts[name])
        self.count("syncs")
        if self.counts["synced: deleted"] > self.truth.deleted:
            self.blame(f"{self.counts['synced: deleted']} objects were taken out, and only {self.truth.deleted} were deleted")

    def keep_syncing(self):
        while not self.stop.is_set():
            self.sync()

    def search(self, which):
        chance = random.Random(self.seed * 2000 + which)
        while not self.stop.is_set():
            if chance.random() < .25:
                self.find_still(chance.randrange(0, self.objects, STILL))
            else:
                self.ask(" ".join(chance.sample(WORDS, 3)))

    def find_still(self, number):
        found = self.kedge("search", "paper", "-k", 1, "--prefix", self.key(number))
        self.count("searches of untouched objects")
        if found and [hit["proof"] for hit in found["results"]] != ["verified"]:
            self.blame(f"{self.key(number)}, which nobody touches, is not found: {found['results']}")

    def ask(self, words):
        began = time.monotonic()
        found = self.kedge("search", words)
        ended = time.monotonic()
        self.count("searches")
        for hit in found["results"] if found else ():
            self.count(f"results: {hit['proof']}")
            if hit["proof"] == "verified":
                key = hit["key"].removeprefix("docs/")
                texts = self.truth.texts_during(key, hit["etag"].strip('"'), began, ended)
                shown = hit["snippet"].strip()
                if not shown or not any(shown in text for text in texts):
                    self.blame(f"{key}: shown as verified, and not what the bucket held: {hit['snippet']!r}, {hit['etag']}")
            elif hit["snippet"]:
                self.blame(f"{hit['key']}: {hit['proof']}, and yet with a snippet")

    def run(self, seconds):
        work = [(self.change, which) for which in range(CHANGERS)] + [(self.search, which) for which in range(SEARCHERS)]
        work.append((self.keep_syncing,))
        threads = [threading.Thread(target=self.guarded, args=one) for one in work]
        for thread in threads:
            thread.start()
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.broken.wait(min(left, 30)):
            say(f"soak: {round(seconds - max(0, end - time.monotonic()))} s: {dict(sorted(self.counts.items()))}")
        self.stop.set()
        for thread in threads:
            thread.join()

    def guarded(self, work, *words):
        try:
            work(*words)
        except Exception as trouble:  # of whatever kind: the soak is worth nothing without it
            self.blame(f"{work.__name__} ended: {trouble!r}")
            self.broken.set()

    def settle(self):
        """Seconds, requests and syncs from the last change until nothing differs."""
        began, before = time.monotonic(), requests(self.bucket.server)
        for syncs in range(1, 11):
            self.sync()
            seconds, used = time.monotonic() - began, requests_since(self.bucket.server, before)
            found = self.kedge("verify", "--full", codes=(0, 3))
            if found and found["clean"]:
                return {"seconds": round(seconds, 1), "syncs": syncs, "requests": used}
        self.blame("ten syncs after the last change `kedge verify --full` still finds differences")
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--objects", type=int, default=100_000)
    parser.add_argument("--changes", type=float, default=50, help="a second")
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--json", metavar="FILE", help="write all counts there")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    with tempfile.TemporaryDirectory(prefix="kedge-soak-") as name, Emulator() as server:
        chaos = Chaos(arguments, S3Bucket(server, Path(name)))
        say(f"soak: {arguments.objects:,} objects are put")
        chaos.fill()
        say("soak: the first sync")
        chaos.sync()
        chaos.run(arguments.minutes * 60)
        settled = chaos.settle()
    report = {"machine": machine(), "seed": arguments.seed, "minutes": arguments.minutes, "objects": arguments.objects,
              "counts": dict(sorted(chaos.counts.items())), "deleted": chaos.truth.deleted, "until_clean": settled,
              "wrong": chaos.wrong}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    return 1 if chaos.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
