#!/usr/bin/env python3
"""kill -9 at random moments of a sync, many times: what is live in the end, and what was paid twice.

    ./dev bench kill [--s3] [--kills N] [--real-kills N] [--seed S] [--json FILE]

200 kills with the embedder of tests and 10 with the real model, in series; with --s3 50 with the embedder of tests, on a
bucket of a real S3 server that holds source and index. Before each run some objects are written again, so that there is
work to be killed in. The sync that is killed is the library's, in a program that notes every
text before the model sees it (bench/counted_sync_bench.cc). After each series:

* the live set equals that of an unbroken run of `kedge sync` into another index, and `kedge verify --full` is clean;
* of the texts that one killed run gave to the model, at most one batch was ever given again.
"""
import argparse
import collections
import contextlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/cli"))

import bucket as buckets  # noqa: E402
from parts.process import KEDGE, machine, say  # noqa: E402

BATCH = 64  # kEmbedBatch: what a kill may cost
COUNTED_SYNC = Path(KEDGE).parent / "counted_sync_bench"
DEFAULT_SEED = 20261125


class Series:
    """Kills of one model over one bucket."""

    def __init__(self, folder, name, model, objects, rewritten, kills, chance, server=None):
        folder.mkdir(parents=True)
        self.name, self.kills, self.chance = name, kills, chance
        self.objects, self.rewritten = objects, rewritten
        self.model = model
        if server:
            from s3_bucket import S3Bucket
            self.bucket = S3Bucket(server, folder, model)
            self.places = (self.bucket.source, self.bucket.index)
        else:
            self.bucket = buckets.Bucket(folder, model)
            self.places = (self.bucket.docs, self.bucket.docs / ".kedge")
        self.last_given = {}  # the run that gave a text to the model last
        self.lost = collections.Counter()  # texts of a run that had to be given again
        self.runs = 0
        self.version = 0
        for number in range(objects):
            self.write(number)

    def write(self, number):
        self.version += 1
        # Several chunks an object, no two alike: what is paid for twice is then known by its hash.
        text = "\n\n".join(f"Paragraph {part} of object {number} of the bucket, version {self.version}: "
                           + " ".join(f"{self.chance.randrange(10**6)}" for _ in range(20)) for part in range(8))
        self.bucket.write(f"{number % 10}/{number}.txt", text + "\n", age=self.chance.randrange(60, 7200))

    def sync(self, longest=None):
        """One counted sync, killed within `longest` seconds. Its seconds, whether it was killed, and how many texts it
        gave to the model."""
        ledger = self.bucket.folder / "ledger"
        ledger.unlink(missing_ok=True)
        began = time.monotonic()
        process = subprocess.Popen(
            [COUNTED_SYNC, *self.places, self.model, ledger],
            env=self.bucket.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        killed = longest is not None and buckets.killed_within(process, longest, self.chance)
        if not killed:
            process.wait()
            if process.returncode != 0:
                raise SystemExit(f"bench: a sync ended with {process.returncode}")
        texts = ledger.read_text().split() if ledger.exists() else []
        self.runs += 1
        for text in texts:
            if text in self.last_given:
                self.lost[self.last_given[text]] += 1
            self.last_given[text] = self.runs
        return time.monotonic() - began, killed, len(texts)

    def run(self):
        unbroken, _, first = self.sync()
        say(f"bench: {self.name}: an unbroken first sync takes {unbroken:.2f} s for {first} texts")
        # Of what is written again between two kills, a run does a share; kills come at any moment of it.
        longest = max(0.02, 1.2 * unbroken * self.rewritten / self.objects + 0.3 * unbroken)
        killed = embedded = 0
        while killed < self.kills and self.runs < 10 * self.kills:
            for number in self.chance.sample(range(self.objects), self.rewritten):
                self.write(number)
            _, was_killed, texts = self.sync(longest)
            killed, embedded = killed + was_killed, embedded + texts
        _, _, texts = self.sync()
        clean = self.bucket.ask("verify", "--full", "--index", self.bucket.index)["clean"]
        settled = self.bucket.sync()
        same = self.bucket.live_set() == self.bucket.live_set_of_an_unbroken_run()
        worst = max(self.lost.values(), default=0)
        return {"series": self.name, "kills": killed, "runs": self.runs, "objects": self.objects,
                "texts_given": embedded + texts, "given_twice": self.lost.total(), "most_lost_by_a_kill": worst,
                "batch": BATCH, "embedded_by_a_last_sync": settled["chunks_embedded"], "live_set_equal": same,
                "verify_clean": clean, "ok": killed == self.kills and same and clean and worst <= BATCH
                and settled["chunks_embedded"] == 0}


def series(arguments, scratch, chance, server):
    """All series, one after the other, each printed as it ends."""
    found, left, number = [], arguments.kills, 0
    while left > 0:
        kills, number = min(20, left), number + 1
        found.append(Series(scratch / f"test-{number}", f"test {number}", "test:64", 1000, 400, kills, chance, server).run())
        left -= kills
        print(json.dumps(found[-1]), flush=True)
    if arguments.real_kills > 0:
        model = os.environ["KEDGE_MODEL_DIR"]
        found.append(Series(scratch / "real", "real model", model, 40, 25, arguments.real_kills, chance, server).run())
        print(json.dumps(found[-1]), flush=True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--s3", action="store_true", help="on a bucket of a real S3 server that is started for it")
    parser.add_argument("--kills", type=int, help="with the embedder of tests (default 200; on S3 50)")
    parser.add_argument("--real-kills", type=int, help="with the real model (default 10; on S3 none)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    arguments.kills = (50 if arguments.s3 else 200) if arguments.kills is None else arguments.kills
    arguments.real_kills = (0 if arguments.s3 else 10) if arguments.real_kills is None else arguments.real_kills
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench kill")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    print(f"seed {arguments.seed}")
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="kedge-kill-") as name, contextlib.ExitStack() as ended:
        server = None
        if arguments.s3:
            sys.path.insert(0, str(ROOT / "tests/s3"))
            from servers import Versitygw
            server = ended.enter_context(Versitygw(Path(name) / "server"))
        found = series(arguments, Path(name), chance, server)
    report = {"machine": machine(), "store": server.name if server else "folder", "seed": arguments.seed,
              "seconds": round(time.monotonic() - began), "series": found}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    kills = sum(one["kills"] for one in found)
    bad = [one["series"] for one in found if not one["ok"]]
    print(f"{kills} kills in {len(found)} series, {report['seconds']} s: "
          f"{sum(one['given_twice'] for one in found)} texts given to the model twice, at most "
          f"{max(one['most_lost_by_a_kill'] for one in found)} for one kill (a batch is {BATCH}); "
          + (f"FAILED: {', '.join(bad)}" if bad else "every live set equals that of an unbroken run"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
