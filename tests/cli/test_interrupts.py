"""Signals at a known batch of the model: what is finished is committed, and the next sync goes on from there.

The embedder of tests waits at a FIFO before the batch that a test names (src/embed/test_embedder.h): the test's open
returns when the program has come that far, so that each signal falls between the same two steps in every run.
"""
import json
import os
import signal

import pytest

BATCH = 64  # inputs that a sync gives to the model at once: kEmbedBatch of src/embed/embedder.h
OBJECTS = 300  # of one chunk each: five batches
HELD = 3  # the batch that is held: three are paid before it


def fill(bucket):
    for number in range(OBJECTS):
        bucket.write(f"{number % 10}/{number}.txt", f"object {number} of the bucket, number {number * 7}\n")


class HeldSync:
    """A sync that waits before batch HELD of the model."""

    def __init__(self, bucket, *options):
        gate = bucket.folder / "gate"
        path = f"{gate}.{HELD}"
        os.mkfifo(path)
        self.process = bucket.start("sync", "docs", "--json", "--model", f"test:64:{gate}", *options)
        self.gate = os.open(path, os.O_WRONLY)  # returns when the program is there
        os.unlink(path)

    def signal(self, number):
        """Sends a first signal, and waits until the program says that it was heard."""
        self.process.send_signal(number)
        assert self.process.stderr.readline() == b"stopping: what is finished is committed first\n"

    def release(self):
        os.close(self.gate)
        out, err = self.process.communicate(timeout=120)
        return self.process.returncode, out, err.decode()


@pytest.fixture
def held(bucket):
    fill(bucket)
    sync = HeldSync(bucket)
    yield sync
    sync.process.kill()
    sync.process.communicate()


def assert_whole(bucket, paid):
    """The next sync embeds what was not paid for, and leaves what an unbroken run leaves."""
    counts = bucket.sync()
    assert counts["indexed"] == OBJECTS and counts["pending"] == 0
    assert counts["chunks_embedded"] == OBJECTS - paid
    assert bucket.ask("verify", "--full", "--index", "docs/.kedge")["clean"]
    broken = bucket.live_set()
    assert len(broken) == OBJECTS
    bucket.run("sync", "docs", "--index", "fresh", "--quiet")
    assert broken == bucket.live_set("fresh")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_commits_what_is_finished(bucket, held, number):
    held.signal(number)
    code, out, err = held.release()
    assert code == 4
    result = json.loads(out)
    counts = result["sources"][0]
    assert result["stopped"] and counts["stopped"]
    # The batch that was under way was finished, and no other begun.
    paid = (HELD + 1) * BATCH
    assert counts["chunks_embedded"] == counts["indexed"] == paid and counts["pending"] == OBJECTS - paid
    assert "what is finished is committed. Run the same command to go on" in err
    status = bucket.ask("status", "--index", "docs/.kedge")["sources"][0]
    assert status["indexed"] == paid
    # What is there can be searched before the sync is resumed.
    assert len(bucket.search("object of the bucket", "-k", "1000", "--all", "--snippets", "none")) == paid
    assert_whole(bucket, paid)


def test_a_second_signal_ends_at_once_and_costs_one_batch_at_most(bucket, held):
    held.signal(signal.SIGINT)
    held.process.send_signal(signal.SIGINT)
    assert held.process.wait(timeout=120) == 130
    assert_whole(bucket, HELD * BATCH)


def test_a_kill_costs_one_batch_at_most(bucket, held):
    held.process.kill()
    held.process.wait(timeout=120)
    assert_whole(bucket, HELD * BATCH)


def test_an_ignored_interrupt_stays_ignored(bucket):
    fill(bucket)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as `nohup` or a script's `trap ''` would
    try:
        sync = HeldSync(bucket)
    finally:
        signal.signal(signal.SIGINT, before)
    sync.process.send_signal(signal.SIGINT)
    code, out, _ = sync.release()
    assert code == 0 and json.loads(out)["sources"][0]["indexed"] == OBJECTS
