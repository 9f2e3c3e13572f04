"""Servers, buckets and processes of the benchmarks on S3."""
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from parts import peer
from parts.process import KEDGE, ROOT, run

sys.path.insert(0, str(ROOT / "tests/s3"))

from servers import EMULATOR, Emulator, Versitygw  # noqa: E402,F401

UPLOADS_AT_ONCE = 8
PEER_REQUIREMENTS = ["boto3==1.44.8", "pyarrow==26.0.1"]
PEER_PROGRAM = Path(__file__).resolve().parent / "peer_s3.py"


def environment_on(server, environment):
    """Of a program that sees this server, and no AWS settings of the person who runs this."""
    kept = {name: value for name, value in environment.items() if not name.startswith("AWS_")}
    return {**kept, **{name: value for name, value in server.environment().items() if name.startswith("AWS_")}}


def upload(server, bucket, prefix, folder):
    """Every file of a folder as an object. Returns how many."""
    client = server.client()
    files = [path for path in folder.rglob("*") if path.is_file()]

    def put(path):
        client.put_object(Bucket=bucket, Key=prefix + str(path.relative_to(folder)), Body=path.read_bytes())

    with ThreadPoolExecutor(UPLOADS_AT_ONCE) as pool:
        list(pool.map(put, files))
    return len(files)


def kedge(arguments, environment, server=None):
    """A kedge that prints JSON: what it printed, and what it cost."""
    ran = run([KEDGE, *arguments, "--json", "--quiet"], environment, server=server and server.process)
    return json.loads(ran.output), ran


def requests(emulator):
    """Requests that the emulator has seen, by operation."""
    return {name: count["requests"] for name, count in emulator.counts().items()}


def requests_since(emulator, before):
    return {name: count - before.get(name, 0) for name, count in requests(emulator).items()
            if count != before.get(name, 0)}


def newest_record(emulator):
    """When the newest request that the emulator remembers began."""
    return max((one["began_us"] for one in emulator.records()), default=0)


def records_since(emulator, mark, bucket):
    """Of the last 10,000 requests those on the bucket that began after newest_record() said `mark`."""
    return [one for one in emulator.records() if one["began_us"] > mark and one["bucket"] == bucket]


def peer_python():
    return peer.python(PEER_REQUIREMENTS)


def call_peer(interpreter, environment, *words):
    ran = run([interpreter, PEER_PROGRAM, *words], environment)
    return json.loads(ran.output), ran
