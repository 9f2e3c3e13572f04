#!/usr/bin/env python3
"""kill -9 at random moments of a sync, many times: what is live in the end, and what was paid twice.

    ./dev bench kill [--kills N] [--real-kills N] [--seed S] [--json FILE]

200 kills with the embedder of tests and 10 with the real model, in series. Before each run some objects are written
again, so that there is work to be killed in. The sync that is killed is the library's, in a program that notes every
text before the model sees it (bench/counted_sync_bench.cc). After each series:

* the live set equals that of an unbroken run of `kedge sync` into another index, and `kedge verify --full` is clean;
* of the texts that one killed run gave to the model, at most one batch was ever given again.
"""
import argparse
import collections
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

    def __init__(self, folder, name, model, objects, rewritten, kills, chance):
        folder.mkdir(parents=True)
        self.name, self.kills, self.chance = name, kills, chance
        self.objects, self.rewritten = objects, rewritten
        self.bucket = buckets.Bucket(folder, model)
        self.model = model
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
            [COUNTED_SYNC, self.bucket.docs, self.bucket.docs / ".kedge", self.model, ledger],
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
        clean = self.bucket.ask("verify", "--full", "--index", "docs/.kedge")["clean"]
        settled = self.bucket.sync()
        same = self.bucket.live_set() == self.bucket.live_set_of_an_unbroken_run()
        worst = max(self.lost.values(), default=0)
        return {"series": self.name, "kills": killed, "runs": self.runs, "objects": self.objects,
                "texts_given": embedded + texts, "given_twice": self.lost.total(), "most_lost_by_a_kill": worst,
                "batch": BATCH, "embedded_by_a_last_sync": settled["chunks_embedded"], "live_set_equal": same,
                "verify_clean": clean, "ok": killed == self.kills and same and clean and worst <= BATCH
                and settled["chunks_embedded"] == 0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="with the embedder of tests (default 200)")
    parser.add_argument("--real-kills", type=int, default=10, help="with the real model (default 10)")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    arguments = parser.parse_args()
    if not KEDGE:
        sys.exit("bench: KEDGE_BIN is not set; run ./dev bench kill")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    began = time.monotonic()
    print(f"seed {arguments.seed}")
    chance = random.Random(arguments.seed)
    found = []
    with tempfile.TemporaryDirectory(prefix="kedge-kill-") as name:
        left, number = arguments.kills, 0
        while left > 0:
            kills, number = min(20, left), number + 1
            found.append(Series(Path(name) / f"test-{number}", f"test {number}", "test:64", 1000, 400, kills, chance).run())
            left -= kills
            print(json.dumps(found[-1]), flush=True)
        if arguments.real_kills > 0:
            model = os.environ["KEDGE_MODEL_DIR"]
            found.append(Series(Path(name) / "real", "real model", model, 40, 25, arguments.real_kills, chance).run())
            print(json.dumps(found[-1]), flush=True)
    report = {"machine": machine(), "seed": arguments.seed, "seconds": round(time.monotonic() - began), "series": found}
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    kills = sum(series["kills"] for series in found)
    bad = [series["series"] for series in found if not series["ok"]]
    print(f"{kills} kills in {len(found)} series, {report['seconds']} s: "
          f"{sum(series['given_twice'] for series in found)} texts given to the model twice, at most "
          f"{max(series['most_lost_by_a_kill'] for series in found)} for one kill (a batch is {BATCH}); "
          + (f"FAILED: {', '.join(bad)}" if bad else "every live set equals that of an unbroken run"))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
