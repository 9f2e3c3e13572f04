"""A disk that takes its time, or that hangs in the middle of a sync: nothing but time is lost (slow_disk.c)."""
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

OBJECTS = 60
SLOW_MS = 5
HELD = [1, 4, 7]  # which of the waits for the disk of a sync hangs


@pytest.fixture(scope="session")
def slow_disk(tmp_path_factory):
    """The library that makes it slow; with a sanitized program it does not come first, which the sanitizer has to be told."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler, "no C compiler: Kedge is built with one"
    library = tmp_path_factory.mktemp("slow") / "slow_disk.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, Path(__file__).with_name("slow_disk.c"), "-ldl"],
                   check=True)
    sanitizer = ":".join(filter(None, [os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": sanitizer}


@pytest.fixture
def filled(bucket):
    for number in range(OBJECTS):
        bucket.write(f"{number % 7}/{number}.txt", f"object {number} of the bucket, number {number * 7}\n")
    return bucket


def slow_down(bucket, slow_disk, milliseconds=SLOW_MS):
    bucket.environment.update(slow_disk, KEDGE_SLOW_DISK=str(bucket.folder), KEDGE_SLOW_DISK_MS=str(milliseconds),
                              KEDGE_SLOW_DISK_WAITS=str(bucket.folder / "waits"))


def waits(bucket):
    """How often each process waited for the disk that has ended since the last call."""
    path = bucket.folder / "waits"
    counts = [int(line) for line in path.read_text().split()]
    path.unlink()
    return counts


def assert_whole(bucket):
    """One more sync, on a disk that is quick again, leaves what an unbroken run leaves."""
    for name in ("LD_PRELOAD", "KEDGE_SLOW_DISK_GATE"):
        bucket.environment.pop(name, None)
    counts = bucket.sync()
    assert counts["listed"] == OBJECTS and counts["pending"] == counts["failed"] == 0
    assert bucket.ask("verify", "--full", "--index", bucket.index)["clean"]
    found = bucket.live_set()
    assert len(found) == OBJECTS
    bucket.run("sync", "docs", "--index", "fresh", "--quiet")
    assert found == bucket.live_set("fresh")


def test_a_slow_disk_costs_time_only(filled, slow_disk):
    slow_down(filled, slow_disk)
    counts = filled.sync()
    assert counts["indexed"] == OBJECTS and waits(filled)[0] > OBJECTS
    slow = filled.search("number 77", "-k", "5")
    assert waits(filled)[0] > 0
    assert filled.ask("verify", "--full", "--index", filled.index)["clean"]
    filled.ask("gc", "--index", filled.index)
    del filled.environment["LD_PRELOAD"]
    quick = filled.search("number 77", "-k", "5")
    assert [hit["key"] for hit in slow] == [hit["key"] for hit in quick] and len(quick) == 5
    assert_whole(filled)


def test_two_syncs_on_a_slow_disk_end_well(filled, slow_disk):
    slow_down(filled, slow_disk, 2)
    both = [filled.start("sync", "docs", "--quiet") for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert min(waits(filled)) > OBJECTS
    assert_whole(filled)


class HangingSync:
    """A sync whose wait for the disk with that number does not end before release()."""

    def __init__(self, bucket, slow_disk, held):
        slow_down(bucket, slow_disk, 0)
        gate = bucket.folder / "gate"
        os.mkfifo(gate)
        bucket.environment.update(KEDGE_SLOW_DISK_GATE=str(gate), KEDGE_SLOW_DISK_HELD=str(held))
        self.process = bucket.start("sync", "docs")
        self.gate = os.open(gate, os.O_WRONLY)  # returns when the program is there

    def signal(self, number):
        self.process.send_signal(number)
        for line in self.process.stderr:
            if line == b"stopping: what is finished is committed first\n":
                return
        pytest.fail("the signal was not heard")


@pytest.mark.parametrize("held", HELD)
def test_a_signal_while_the_disk_hangs(filled, slow_disk, held):
    sync = HangingSync(filled, slow_disk, held)
    sync.signal(signal.SIGTERM)
    os.close(sync.gate)
    _, errors = sync.process.communicate(timeout=120)
    assert sync.process.returncode in (0, 4), errors  # all was done already, or it was stopped
    assert_whole(filled)


@pytest.mark.parametrize("held", HELD)
def test_a_second_signal_ends_a_sync_whose_disk_hangs(filled, slow_disk, held):
    sync = HangingSync(filled, slow_disk, held)
    sync.signal(signal.SIGINT)
    sync.process.send_signal(signal.SIGINT)
    assert sync.process.wait(timeout=120) == 130
    os.close(sync.gate)
    assert_whole(filled)


@pytest.mark.parametrize("held", HELD)
def test_a_kill_while_the_disk_hangs(filled, slow_disk, held):
    sync = HangingSync(filled, slow_disk, held)
    sync.process.kill()
    sync.process.wait(timeout=120)
    os.close(sync.gate)
    assert_whole(filled)
