"""Two people, or two machines, that share nothing but the bucket: homes, caches and clocks apart, at the same time."""
import glob
import subprocess
import sys

import pytest
from bucket import KEDGE
from s3_bucket import S3Bucket

OBJECTS = 120
HOUR = 3600
LIBRARIES = "/usr/lib/*/faketime/libfaketime.so.1"


def other_clock(seconds):
    """The environment of a program whose wall clock is so many seconds ahead; skips where nothing can do that."""
    found = sorted(glob.glob(LIBRARIES))
    if not found:
        pytest.skip("SKIPPED: no libfaketime here (Debian's faketime): clocks apart were not tried")
    # verify_asan_link_order: libfaketime must come first, which a sanitizer would refuse.
    shifted = {"LD_PRELOAD": found[0], "FAKETIME": f"{seconds:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
               "DONT_FAKE_MONOTONIC": "1", "FAKETIME_NO_CACHE": "1", "ASAN_OPTIONS": "verify_asan_link_order=0:detect_leaks=0"}
    clock = [sys.executable, "-c", "import time; print(time.time())"]
    ahead = float(subprocess.check_output(clock, env=shifted)) - float(subprocess.check_output(clock))
    assert abs(ahead - seconds) < 60
    done = subprocess.run([KEDGE, "version"], env=shifted, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"SKIPPED: this build does not run under libfaketime: {done.stderr[-200:]}")
    return shifted


def homes(server, tmp_path, clocks):
    """The same bucket from several homes, each with an embedding cache and a clock of its own."""
    made = []
    for number, seconds in enumerate(clocks):
        folder = tmp_path / f"home-{number}"
        folder.mkdir()
        bucket = S3Bucket(server, folder, like=made[0] if made else None)
        bucket.sync_options = (*bucket.sync_options, "--cache", folder / "cache")
        if seconds:
            bucket.environment |= other_clock(seconds)
        made.append(bucket)
    return made


# The store's clock decides ages and orders; a request whose time the server refuses is signed again with the server's.
@pytest.mark.parametrize("clocks", [(0, 0), (0, HOUR), (-HOUR // 2, HOUR // 2)])
def test_two_homes_end_with_one_index(server, tmp_path, clocks):
    both = homes(server, tmp_path, clocks)
    if server.name == "emulator":
        server.program.forget()
    for number in range(OBJECTS):
        both[0].write(f"{number}.txt", f"object {number} of the bucket, number {number * 7}\n")
    for turn in range(2):
        processes = [bucket.start("sync", bucket.source, *bucket.sync_options, "--quiet") for bucket in both]
        for process in processes:
            out, err = process.communicate(timeout=240)
            assert process.returncode == 0, (turn, out, err)
        for number in range(0, OBJECTS, 5):
            both[0].write(f"{number}.txt", f"object {number} of the bucket, changed in turn {turn}\n")
    for bucket in both:
        assert bucket.sync()["indexed"] == OBJECTS
    if server.name == "emulator" and any(clocks):  # the clocks were really apart: such a request is refused once
        assert 403 in {record["status"] for record in server.records()}
    live = [bucket.live_set() for bucket in both]
    assert live[0] == live[1] == both[0].live_set_of_an_unbroken_run()
    assert len({key for key, *_ in live[0]}) == len(live[0]) == OBJECTS
    for bucket in both:
        assert bucket.ask("verify", "--full", "--index", bucket.index)["clean"]
