"""Each scripted fault on each operation, once for a moment and for good: what the caller got, in how long, with how many
requests; and that the index is whole afterwards."""
import json
import subprocess
import time

from parts.process import KEDGE, say
from parts.s3_place import Emulator, environment_on, requests, requests_since

BUCKET, OBJECTS = "faults", 20
TIMEOUT_SECONDS = 20  # of the calls that read: --timeout
HANG_SECONDS, QUICK_HANG_SECONDS = 900, 400  # nothing may come near it
A_FEW = 2  # requests that are hit where the fault is only for a moment
READS, WRITES, LISTS = ("GetObject",), ("PutObject",), ("ListObjectsV2",)

# (fault, the operations that it makes sense for)
FAULTS = [
    ({"fault": "error", "status": 500, "code": "InternalError"}, READS + WRITES + LISTS),
    ({"fault": "error", "status": 503, "code": "SlowDown"}, READS + WRITES + LISTS),
    ({"fault": "error", "status": 429, "code": "TooManyRequests"}, READS),
    ({"fault": "error", "status": 400, "code": "RequestTimeout"}, WRITES),
    ({"fault": "error", "status": 403, "code": "AccessDenied"}, READS + WRITES + LISTS),
    ({"fault": "error", "status": 409, "code": "OperationAborted"}, WRITES),
    ({"fault": "error", "status": 409, "code": "ConditionalRequestConflict"}, WRITES),
    ({"fault": "error", "status": 500, "code": "InternalError", "effect": True}, WRITES),
    ({"fault": "expired_token"}, READS + WRITES + LISTS),
    ({"fault": "clock_skew", "seconds": 3600}, READS + WRITES),
    ({"fault": "reset"}, READS + WRITES + LISTS),
    ({"fault": "reset", "effect": True}, WRITES),
    ({"fault": "close"}, READS + WRITES + LISTS),
    ({"fault": "stall"}, READS + WRITES + LISTS),
    ({"fault": "delay", "ms": 2000}, READS + WRITES + LISTS),
    ({"fault": "late_effect", "ms": 500}, WRITES),
    ({"fault": "duplicate_effect"}, WRITES),
    ({"fault": "reset_in_body", "bytes": 10}, READS + LISTS),
    ({"fault": "stall_in_body", "bytes": 10}, READS + LISTS),
    ({"fault": "short_body", "bytes": 10}, READS + LISTS),
    ({"fault": "short_length", "bytes": 10}, READS),
    ({"fault": "no_length", "bytes": 10}, READS),
    ({"fault": "long_body", "bytes": 10}, READS),
    ({"fault": "wrong_range", "bytes": 10}, READS),
    ({"fault": "wrong_content_range", "bytes": 10}, READS),
    ({"fault": "ignore_range"}, READS),
    ({"fault": "flip_on_wire", "bytes": 77}, READS),
    ({"fault": "empty_listing"}, LISTS),
    ({"fault": "no_token"}, LISTS),
    ({"fault": "duplicate_entries"}, LISTS),
    ({"fault": "unordered"}, LISTS),
    ({"fault": "throttle", "rate": 20}, READS + WRITES),
]


def title(fault):
    return " ".join([fault["fault"], *(str(value) for name, value in fault.items() if name != "fault")])


class Place:
    def __init__(self, server, environment, limit_seconds):
        self.server, self.client, self.limit_seconds = server, server.client(), limit_seconds
        self.environment = environment_on(server, environment)
        self.number = 0
        self.client.create_bucket(Bucket=BUCKET)

    def fresh(self):
        """An own prefix with objects and an index of them."""
        self.number += 1
        self.prefix = f"{self.number}/"
        for number in range(OBJECTS):
            self.write(number, "first")
        self.index = f"s3://{BUCKET}/{self.prefix}index"
        self.command = [KEDGE, "sync", f"s3://{BUCKET}/{self.prefix}docs", "--index", self.index, "--json", "--quiet",
                        "--timeout", str(TIMEOUT_SECONDS), "--model", "test:64"]
        subprocess.run(self.command, env=self.environment, capture_output=True, check=True, timeout=HANG_SECONDS)
        for number in range(0, OBJECTS, 2):
            self.write(number, "second")

    def write(self, number, turn):
        self.client.put_object(Bucket=BUCKET, Key=f"{self.prefix}docs/{number}.txt",
                               Body=f"object {number} of the bucket, {turn}\n".encode() * 20)

    def run(self, command):
        before, began = requests(self.server), time.monotonic()
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, check=False,
                                  timeout=self.limit_seconds)
        except subprocess.TimeoutExpired:
            return {"got": "STILL RUNS", "seconds": self.limit_seconds, "requests": requests_since(self.server, before)}
        return {"got": answer_of(done), "seconds": round(time.monotonic() - began, 1),
                "requests": requests_since(self.server, before)}

    def whole(self):
        """Whether a sync without faults leaves each object once, as it is now."""
        self.server.behave()
        done = subprocess.run(self.command, env=self.environment, capture_output=True, check=False, timeout=HANG_SECONDS)
        verify = subprocess.run([KEDGE, "verify", "--full", "--index", self.index, "--json"], env=self.environment,
                                capture_output=True, check=False, timeout=HANG_SECONDS)
        if done.returncode != 0 or verify.returncode != 0:
            return False
        return json.loads(verify.stdout)["clean"] and json.loads(done.stdout)["sources"][0]["indexed"] == OBJECTS


def answer_of(done):
    try:
        said = json.loads(done.stdout)
    except ValueError:
        return f"exit {done.returncode}"
    if "error" in said:
        return f"exit {done.returncode}: {said['error']['code']}: {said['error']['message'][:120]}"
    if "sources" in said:
        counts = said["sources"][0]
        return f"exit {done.returncode}: " + ", ".join(f"{counts[name]} {name}" for name in ("indexed", "failed", "pending")
                                                      if counts[name])
    return f"exit {done.returncode}: {len(said['results'])} results"


def measure(environment, quick):
    out = []
    with Emulator() as server:
        place = Place(server, environment, QUICK_HANG_SECONDS if quick else HANG_SECONDS)
        for fault, operations in FAULTS[::4] if quick else FAULTS:
            for operation in operations:
                for times in (A_FEW, 0):
                    say(f"bench: {title(fault)} on {operation}{'' if times else ', always'}")
                    place.fresh()
                    rule = {"operation": operation, "times": times, **fault}
                    # Only what kedge asks for: not what boto3 writes for the next case.
                    server.misbehave({**rule, "bucket": BUCKET, "key_contains": place.prefix} if operation not in LISTS
                                     else rule)
                    sync = place.run(place.command)
                    row = {"fault": title(fault), "operation": operation, "for": f"{times} requests" if times else "always",
                           "sync": sync}
                    if operation == "GetObject":
                        server.misbehave(rule)
                        row["search"] = place.run([KEDGE, "search", "object of the bucket", "--index", place.index, "--json",
                                                   "--timeout", str(TIMEOUT_SECONDS), "--model", "test:64"])
                    row["whole_afterwards"] = place.whole()
                    out.append(row)
    return out
