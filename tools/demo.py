#!/usr/bin/env python3
"""The main job on real input: sync a bucket, search it, fetch, change it behind the index's back, see and heal the drift.

    ./dev demo [--s3]

Works on a copy of sample/bucket in a temporary folder; with --s3 in a bucket of a real S3 server that it starts and ends
itself, which holds the index too. The program is $KEDGE_BIN (./dev demo sets it).
"""
import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "sample" / "bucket"
PLAIN = not sys.stdout.isatty() or "NO_COLOR" in os.environ
DRIFT = 3  # exit code of a verify that found drift


class Folder:
    """The sample as files, with the index beside them."""

    source, index, index_options = "docs", "docs/.kedge", ()

    def __init__(self, scratch):
        self.docs = scratch / "docs"
        self.environment = {}
        shutil.copytree(SAMPLE, self.docs)
        # The copies are older than any sync, as files of a bucket are: none is too fresh to be believed.
        yesterday = time.time() - 86400
        for path in self.docs.rglob("*"):
            os.utime(path, (yesterday, yesterday))

    def read(self, key):
        return (self.docs / key).read_text()

    def write(self, key, text):
        (self.docs / key).write_text(text)

    def delete(self, key):
        (self.docs / key).unlink()

    def rename(self, key, to):
        (self.docs / key).rename(self.docs / to)

    def close(self):
        pass


class S3:
    """The sample as objects of a bucket of a real server, with the index under another prefix."""

    source, index = "s3://harbour/docs", "s3://harbour/index"
    index_options = ("--index", index)

    def __init__(self, scratch):
        sys.path.insert(0, str(ROOT / "tests/s3"))
        from servers import Versitygw
        self.server = Versitygw(scratch / "server")
        self.environment = self.server.environment()
        self.s3 = self.server.client()
        self.s3.create_bucket(Bucket="harbour")
        files = [path for path in SAMPLE.rglob("*") if path.is_file()]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda path: self.write(str(path.relative_to(SAMPLE)), path.read_bytes()), files))

    def read(self, key):
        return self.s3.get_object(Bucket="harbour", Key=f"docs/{key}")["Body"].read().decode()

    def write(self, key, text):
        self.s3.put_object(Bucket="harbour", Key=f"docs/{key}", Body=text)

    def delete(self, key):
        self.s3.delete_object(Bucket="harbour", Key=f"docs/{key}")

    def rename(self, key, to):
        self.write(to, self.read(key))
        self.delete(key)

    def close(self):
        self.server.stop()


class Demo:
    def __init__(self, program, folder, place):
        self.program = program
        self.folder = folder
        self.place = place
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), **place.environment}

    def title(self, text):
        print(f"\n── {text} " + "─" * max(3, 96 - len(text)) if PLAIN else f"\n\033[1m── {text} {'─' * max(3, 96 - len(text))}\033[0m")

    def show(self, *arguments, expect=0):
        print(f"\n$ kedge {shlex.join(arguments)}", flush=True)
        done = subprocess.run([self.program, *arguments], cwd=self.folder, env=self.environment)
        if done.returncode != expect:
            sys.exit(f"demo: kedge ended with {done.returncode} where {expect} was expected")

    def ask(self, *arguments, expect=0):
        done = subprocess.run([self.program, *arguments, "--json"], cwd=self.folder, env=self.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        if done.returncode != expect:
            sys.exit(f"demo: kedge {arguments[0]} --json ended with {done.returncode} where {expect} was expected")
        return json.loads(done.stdout)

    def change_the_bucket(self):
        place, policy = self.place, "handbook/travel-policy-2025.md"
        place.write(policy, place.read(policy).replace("within 45 days", "within 30 days"))
        place.delete("support/rma-procedure.md")
        place.rename("canteen/fish-stew.md", "canteen/stew-of-the-harbour.md")
        place.write("notes/2025-04-08-product-council.md",
                    "# Product council, 8 April 2025\n\nThe tide gauge gets a solar lid. It charges the battery under overcast "
                    "skies and makes the yearly battery visit unnecessary. Pilot with four harbours from June.\n")
        print("\n  overwritten  handbook/travel-policy-2025.md    (45 days became 30)"
              "\n  deleted      support/rma-procedure.md"
              "\n  renamed      canteen/fish-stew.md -> canteen/stew-of-the-harbour.md"
              "\n  added        notes/2025-04-08-product-council.md")


def tell(demo):
    began = time.monotonic()
    place = demo.place
    sync = ("sync", place.source, *place.index_options)
    demo.title("1. Sync: every object of the folder is read, cut, embedded by the local model and committed")
    demo.show(*sync)
    demo.title("2. Search: references first; each snippet is read from the object itself, which proves it")
    index = ("--index", place.index)
    demo.show("search", "a battery is bloated and hot, where do I take it", "-k", "3", *index)
    demo.show("search", "deadline for handing in hotel bills after a business trip", "-k", "3", *index)
    demo.show("search", "do fake owls scare gulls away", "-k", "2", *index)
    demo.title("3. Get: the raw bytes, if they are still what was indexed")
    best = demo.ask("search", "do fake owls scare gulls away", "-k", "1", *index)["results"][0]
    demo.show("get", best["key"], "--chunk", str(best["chunk"]), *index)
    demo.title("4. The bucket changes behind the index's back")
    demo.change_the_bucket()
    demo.title("5. Search says what is no longer true; nothing stale is shown as if it were")
    demo.show("search", "deadline for handing in hotel bills after a business trip", "-k", "3", *index)
    demo.title("6. Verify lists the drift, by key (exit code 3)")
    demo.show("verify", *index, expect=DRIFT)
    demo.title("7. Sync heals it; the model is called for what is new only")
    demo.show(*sync)
    demo.show("verify", *index)
    demo.show("search", "deadline for handing in hotel bills after a business trip", "-k", "1", *index)
    healed = demo.ask(*sync)["sources"][0]
    print(f"\nA further sync read {healed['objects_read']} objects and embedded {healed['chunks_embedded']} chunks."
          f" The demo took {time.monotonic() - began:.1f} s.")


def main():
    parser = argparse.ArgumentParser(prog="./dev demo", description=__doc__.split("\n\n")[0])
    parser.add_argument("--s3", action="store_true", help="in a bucket of an S3 server that is started for it")
    arguments = parser.parse_args()
    program = os.environ.get("KEDGE_BIN")
    if not program:
        sys.exit("demo: KEDGE_BIN is not set; run ./dev demo")
    with tempfile.TemporaryDirectory(prefix="kedge-demo-") as name:
        scratch = Path(name)
        place = S3(scratch) if arguments.s3 else Folder(scratch)
        try:
            tell(Demo(program, scratch, place))
        finally:
            place.close()


if __name__ == "__main__":
    main()
