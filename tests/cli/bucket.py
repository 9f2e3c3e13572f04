"""A folder of raw files and what the real program does with it: for tests and benchmarks."""
import json
import os
import random
import signal
import subprocess
import time

KEDGE = os.environ.get("KEDGE_BIN", "")
YESTERDAY = 86400


class Bucket:
    """A folder of raw files with an index in it, and a home of its own."""

    source, index, sync_options = "docs", "docs/.kedge", ()

    def __init__(self, folder, model="test:64"):
        self.folder = folder
        self.docs = folder / "docs"
        self.docs.mkdir()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"),
                            "XDG_CACHE_HOME": str(folder / "cache"), "KEDGE_MODEL": model, "NO_COLOR": "1",
                            "HOME": str(folder)}
        for name in ("KEDGE_INDEX", "KEDGE_CACHE"):
            self.environment.pop(name, None)

    def write(self, key, content, age=YESTERDAY):
        path = self.docs / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (time.time() - age,) * 2)

    def remove(self, key):
        (self.docs / key).unlink()

    def start(self, *arguments, **options):
        return subprocess.Popen([KEDGE, *map(str, arguments)], cwd=self.folder, env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

    def run(self, *arguments, code=0, stdin=b""):
        done = subprocess.run([KEDGE, *map(str, arguments)], cwd=self.folder, env=self.environment, input=stdin,
                              capture_output=True, timeout=120, check=False)
        assert done.returncode == code, (arguments, done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done

    def ask(self, *arguments, code=0):
        return json.loads(self.run(*arguments, "--json", code=code).stdout)

    def sync(self, *arguments, code=0):
        return self.ask("sync", self.source, *self.sync_options, *arguments, code=code)["sources"][0]

    def search(self, words, *arguments, code=0):
        return self.ask("search", words, "--index", self.index, *arguments, code=code)["results"]

    def live_set(self, index=None):
        """What an index holds: each key with its version and chunks, whatever way it came in."""
        found = self.ask("search", "object of the bucket", "-k", "10000", "--group", "chunk", "--all", "--snippets", "none",
                         "--index", index or self.index)["results"]
        return sorted((hit["key"], hit["etag"], hit["chunk"], hit["chunk_hash"]) for hit in found)

    def live_set_of_an_unbroken_run(self, name="fresh"):
        self.run("sync", self.source, "--index", self.folder / name, "--quiet")
        return self.live_set(self.folder / name)


def killed_within(process, longest_seconds, chance: random.Random):
    """SIGKILL at a random moment from now; whether the process was still running then."""
    try:
        process.wait(timeout=chance.uniform(0.002, longest_seconds))
        killed = False
    except subprocess.TimeoutExpired:  # still running: that is what is wanted
        process.send_signal(signal.SIGKILL)
        killed = True
    process.communicate()
    return killed
