"""S3 servers for tests, benchmarks and the demo: versitygw, and our emulator. Each on a free port of 127.0.0.1.

A server answers when its constructor returns, and is gone when stop() does. Its keys and its data are its own.
"""
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import boto3
from botocore.config import Config

VERSITYGW = os.environ.get("KEDGE_VERSITYGW", "")
EMULATOR = Path(os.environ.get("KEDGE_BIN", "")).parent / "kedge-s3-emulator"
os.environ.setdefault("KEDGE_EMULATOR_BIN", str(EMULATOR))
sys.path.append(str(Path(__file__).resolve().parents[1] / "emulator"))

import server  # noqa: E402

START_LIMIT_SECONDS = 60
PORT_TRIES = 5  # a free port may be taken by somebody else before the server has it
REGION = "us-east-1"


class Unavailable(Exception):
    """The program is not here; the message says what would bring it."""


class Server:
    """What servers have in common: an endpoint, the keys of its owner, and boto3 clients for it."""

    name, ca_file, process = "", None, None
    access_key, secret_key = "kedge-owner", "kedge-owner-secret"

    def client(self, access_key=None, secret_key=None, service="s3"):
        # No retries: what the server said first is what a test wants to see.
        return boto3.session.Session().client(
            service, endpoint_url=self.endpoint, region_name=REGION, verify=str(self.ca_file) if self.ca_file else None,
            aws_access_key_id=access_key or self.access_key, aws_secret_access_key=secret_key or self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}, max_pool_connections=32))

    def environment(self, access_key=None, secret_key=None):
        """What a program needs in its environment to use this server, and nothing of the person who runs the test."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        made = {"AWS_ACCESS_KEY_ID": access_key or self.access_key, "AWS_SECRET_ACCESS_KEY": secret_key or self.secret_key,
                "AWS_ENDPOINT_URL": self.endpoint, "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}
        if self.ca_file:
            made["AWS_CA_BUNDLE"] = str(self.ca_file)
        return {**kept, **made}

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def takes_user_attributes(folder):
    probe = folder / "probe-of-attributes"
    probe.touch()
    try:
        os.setxattr(probe, "user.kedge", b"1")
        return True
    except OSError:
        return False
    finally:
        probe.unlink()


class Versitygw(Server):
    """The real server, on a folder of its own below `folder`. `tls`: (certificate, key, CA) as files. Its objects are
    files of `data`, and as old as these."""

    name = "versitygw"

    def __init__(self, folder, tls=None):
        if not VERSITYGW:
            raise Unavailable("KEDGE_VERSITYGW is not set: run ./dev test, which installs it")
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        users = folder / "users"
        for made in (self.data, folder / "versions", users):
            made.mkdir(parents=True)
        self.users = set()
        self.words = ["--keep-alive", "--quiet", "--iam-dir", users]
        self.store = ["posix", "--versioning-dir", folder / "versions"]
        if tls:
            certificate, key, self.ca_file = tls
            self.words += ["--cert", certificate, "--key", key]
        if not takes_user_attributes(folder):
            (folder / "sidecar").mkdir()
            self.store += ["--sidecar", folder / "sidecar"]
        self.scheme = "https" if tls else "http"
        for _ in range(PORT_TRIES):
            if self._start(free_port()):
                return
        raise RuntimeError(f"versitygw did not start: {self.log.read_text(errors='replace')[-2000:]}")

    def _start(self, port):
        self.endpoint = f"{self.scheme}://127.0.0.1:{port}"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [VERSITYGW, "--port", f"127.0.0.1:{port}", *map(str, [*self.words, *self.store, self.data])],
                env={**os.environ, "ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_LIMIT_SECONDS
        while time.monotonic() < end and self.process.poll() is None:
            if answers(port) and self.process.poll() is None:  # not somebody else, who was faster with this port
                return True
            time.sleep(0.01)  # there is no event to wait for: a server that begins to listen tells nobody
        self.stop()
        return False

    def add_user(self, access_key, secret_key):
        """An account that may do what a bucket's policy says; nothing happens if it is there."""
        if access_key in self.users:
            return
        self.users.add(access_key)
        subprocess.run([VERSITYGW, "admin", "--access", self.access_key, "--secret", self.secret_key, "--endpoint-url",
                        self.endpoint, "--region", REGION, "create-user", "--access", access_key, "--secret", secret_key,
                        "--role", "user"], check=True, capture_output=True)


class Emulator(Server):
    """Our own server, in memory, which can be told to misbehave. `flags` are those of kedge-s3-emulator."""

    name = "emulator"

    def __init__(self, *flags):
        if not EMULATOR.exists():
            raise Unavailable(f"there is no {EMULATOR.name} beside kedge: run ./dev build")
        self.program = server.Emulator(*flags, access_key=self.access_key, secret_key=self.secret_key)
        self.process, self.endpoint = self.program.process, self.program.endpoint
        self.counts, self.records, self.change = self.program.counts, self.program.records, self.program.set

    def stop(self):
        self.program.stop()

    def misbehave(self, *rules):
        """Faults from now on, in place of those before."""
        self.behave()
        self.program.script(*rules)

    def behave(self):
        self.program.heal()

    def wait_for_faults(self, count=1):
        """Until so many requests were hit."""
        end = time.monotonic() + START_LIMIT_SECONDS
        while sum(self.program.hits()) < count:
            if time.monotonic() > end:
                raise RuntimeError("no request was hit by a fault")
            time.sleep(0.01)

    def add_reader(self, access_key, secret_key):
        """Keys that may do nothing that changes anything, beside the owner's."""
        owner = {"access_key": self.access_key, "secret_key": self.secret_key}
        self.change(keys=[owner, {"access_key": access_key, "secret_key": secret_key, "read_only": True}])

    def fill(self, bucket, prefix, count, size, name="{number}"):
        """So many made-up objects, faster than anyone could put them."""
        self.program.fill(bucket, count, prefix, size, name)
