"""The real program on real folders, with the embedder of tests."""
import json
import os
import subprocess
import time

import pytest

KEDGE = os.environ.get("KEDGE_BIN", "")
YESTERDAY = 86400


class Bucket:
    """A folder of raw files with an index in it, and a home of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.docs = folder / "docs"
        self.docs.mkdir()
        self.environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "KEDGE_MODEL": "test:64",
                            "NO_COLOR": "1", "HOME": str(folder)}
        self.environment.pop("KEDGE_INDEX", None)

    def write(self, key, content, age=YESTERDAY):
        path = self.docs / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(path, (time.time() - age,) * 2)

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
        return self.ask("sync", "docs", *arguments, code=code)["sources"][0]

    def search(self, words, *arguments, index="docs/.kedge", code=0):
        return self.ask("search", words, "--index", index, *arguments, code=code)["results"]

    def live_set(self, index="docs/.kedge"):
        """What the index holds: each key with its version and chunks, whatever way it came in."""
        found = self.search("object of the bucket", "-k", "10000", "--group", "chunk", "--all", "--snippets", "none",
                            index=index)
        return sorted((hit["key"], hit["etag"], hit["chunk"], hit["chunk_hash"]) for hit in found)


@pytest.fixture
def bucket(tmp_path):
    if not KEDGE:
        pytest.fail("KEDGE_BIN is not set: run ./dev test")
    return Bucket(tmp_path)
