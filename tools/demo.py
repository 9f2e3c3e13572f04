#!/usr/bin/env python3
"""The main job on real input: sync a bucket, search it, fetch, change it behind the index's back, see and heal the drift.

Works on a copy of sample/bucket in a temporary folder. The program is $KEDGE_BIN (./dev demo sets it).
"""
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).resolve().parent.parent / "sample" / "bucket"
PLAIN = not sys.stdout.isatty() or "NO_COLOR" in os.environ
DRIFT = 3  # exit code of a verify that found drift


class Demo:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state")}

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
        docs = self.folder / "docs"
        policy = docs / "handbook/travel-policy-2025.md"
        policy.write_text(policy.read_text().replace("within 45 days", "within 30 days"))
        (docs / "support/rma-procedure.md").unlink()
        (docs / "canteen/fish-stew.md").rename(docs / "canteen/stew-of-the-harbour.md")
        (docs / "notes/2025-04-08-product-council.md").write_text(
            "# Product council, 8 April 2025\n\nThe tide gauge gets a solar lid. It charges the battery under overcast "
            "skies and makes the yearly battery visit unnecessary. Pilot with four harbours from June.\n")
        print("\n  overwritten  handbook/travel-policy-2025.md    (45 days became 30)"
              "\n  deleted      support/rma-procedure.md"
              "\n  renamed      canteen/fish-stew.md -> canteen/stew-of-the-harbour.md"
              "\n  added        notes/2025-04-08-product-council.md")


def main():
    program = os.environ.get("KEDGE_BIN")
    if not program:
        sys.exit("demo: KEDGE_BIN is not set; run ./dev demo")
    with tempfile.TemporaryDirectory(prefix="kedge-demo-") as scratch:
        demo = Demo(program, Path(scratch))
        shutil.copytree(SAMPLE, demo.folder / "docs")
        # The copies are older than any sync, as files of a bucket are: none is too fresh to be believed.
        yesterday = time.time() - 86400
        for path in (demo.folder / "docs").rglob("*"):
            os.utime(path, (yesterday, yesterday))
        began = time.monotonic()

        demo.title("1. Sync: every object of the folder is read, cut, embedded by the local model and committed")
        demo.show("sync", "docs")
        demo.title("2. Search: references first; each snippet is read from the object itself, which proves it")
        index = ("--index", "docs/.kedge")
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
        demo.show("sync", "docs")
        demo.show("verify", *index)
        demo.show("search", "deadline for handing in hotel bills after a business trip", "-k", "1", *index)
        healed = demo.ask("sync", "docs")["sources"][0]
        print(f"\nA further sync read {healed['objects_read']} objects and embedded {healed['chunks_embedded']} chunks."
              f" The demo took {time.monotonic() - began:.1f} s.")


if __name__ == "__main__":
    main()
