"""GETs of ranges on loopback: our client beside boto3 with threads and pyarrow's S3 file system, from one object.

Server and client share the cores; CPU a GET is the client's alone.
"""
import json
from pathlib import Path

from parts.process import KEDGE, run, say
from parts.s3_place import Emulator, Versitygw, call_peer, environment_on, peer_python

OURS = Path(KEDGE).parent / "s3_get_bench"
BUCKET, KEY, OBJECT_BYTES = "gets", "large", 256 << 20
RANGES = ((4 << 10, 20_000), (1 << 20, 2_000))  # bytes, and how many
THREADS = 16
RUNS = 3


def one(run_it):
    """The best of RUNS: others can only slow it down, and the server itself is one of them."""
    best = None
    for _ in range(RUNS):
        found, ran = run_it()
        figures = {"gets_per_second": round(found["gets"] / found["seconds"]),
                   "mib_per_second": round(found["gets"] * found["length"] / found["seconds"] / 2**20),
                   "cpu_us_a_get": round(found["cpu_seconds"] / found["gets"] * 1e6, 1), "peak_mib": round(ran.mebibytes)}
        if best is None or figures["gets_per_second"] > best["gets_per_second"]:
            best = figures
    return best


def of_server(server, environment, interpreter, quick):
    environment = environment_on(server, environment)
    client = server.client()
    client.create_bucket(Bucket=BUCKET)
    client.put_object(Bucket=BUCKET, Key=KEY, Body=bytes(range(256)) * (OBJECT_BYTES // 256))
    out = []
    for length, count in RANGES:
        count = count // 10 if quick else count
        words = [BUCKET, KEY, OBJECT_BYTES, length, count, THREADS]
        say(f"bench: {server.name}, {count:,} GETs of {length >> 10} KiB")
        row = {"server": server.name, "bytes": length, "gets": count, "threads": THREADS}

        def ours():
            ran = run([OURS, server.endpoint, *words], environment)
            found = json.loads(ran.output)
            if found["bytes"] != count * length:
                raise SystemExit(f"bench: {OURS.name} read {found['bytes']} bytes, not {count * length}")
            return {"gets": found["requests"], "seconds": found["seconds"], "length": length,
                    "cpu_seconds": found["cpu_microseconds_per_get"] * found["requests"] / 1e6}, ran

        if OURS.exists():
            row["kedge"] = one(ours)
        else:
            say(f"bench: SKIPPED Kedge's client: there is no {OURS.name}")
        for library in ("boto3", "pyarrow") if interpreter else ():
            def theirs():
                found, ran = call_peer(interpreter, environment, library, *words)
                return {**found, "length": length}, ran
            row[library] = one(theirs)
        out.append(row)
    return out


def measure(scratch, environment, quick):
    interpreter = peer_python()
    with Emulator() as server:
        out = of_server(server, environment, interpreter, quick)
    with Versitygw(scratch / "gets-server") as server:
        return out + of_server(server, environment, interpreter, quick)
