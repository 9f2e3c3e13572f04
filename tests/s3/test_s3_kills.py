"""kill -9 at random moments, signals, and two syncs at once: the index ends as one unbroken run would leave it."""
import random
import signal
import time

import pytest
from bucket import killed_within
from s3_bucket import S3Bucket

SEED = 20261126
OBJECTS = 200
KILLS = 20
LONGEST_SECONDS = 1.5  # a first sync on a store that was never probed takes about so long


def fill(bucket, objects=OBJECTS):
    for number in range(objects):
        text = "\n\n".join(f"Paragraph {part} of object {number} of the bucket, number {number * part}." for part in range(6))
        bucket.write(f"{number % 10}/{number}.txt", text + "\n")


def assert_whole(bucket, objects=OBJECTS):
    counts = bucket.sync()
    assert counts["indexed"] == objects and counts["failed"] == 0
    assert bucket.ask("verify", "--full", "--index", bucket.index)["clean"]
    live = bucket.live_set()
    assert len(live) == len(set(live)) and live == bucket.live_set_of_an_unbroken_run()


# Against the real server alone: it goes on with what a dead client left in its sockets.
def test_kills_lose_and_double_nothing(versitygw, tmp_path):
    print("seed", SEED)
    chance = random.Random(SEED)
    bucket = S3Bucket(versitygw, tmp_path)
    fill(bucket)
    killed, longest = 0, LONGEST_SECONDS
    for _ in range(4 * KILLS):
        if killed == KILLS:
            break
        began = time.monotonic()
        if killed_within(bucket.start("sync", bucket.source, *bucket.sync_options, "--quiet"), longest, chance):
            killed += 1
        else:
            longest = time.monotonic() - began  # what a run takes here: later moments hit nothing
        # Something else to do for the next run, so that each has work to be killed in.
        for number in chance.sample(range(OBJECTS), 10):
            bucket.write(f"{number % 10}/{number}.txt", f"object {number} of the bucket, written again {killed} {number}\n")
    assert killed == KILLS
    assert_whole(bucket)


def test_two_syncs_at_once_end_well(bucket):
    fill(bucket)
    both = [bucket.start("sync", bucket.source, *bucket.sync_options, "--quiet") for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=240)
        assert process.returncode == 0, (out, err)
    assert_whole(bucket)


# Ctrl-C while requests are under way: what is finished is committed, or nothing is, and the same command goes on.
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_what_can_be_resumed(bucket, number):
    fill(bucket)
    process = bucket.start("sync", bucket.source, *bucket.sync_options, "--json")
    process.send_signal(number)
    process.communicate(timeout=240)
    # 4: stopped after the handler was there; a signal before that ends the process as usual.
    assert process.returncode in (0, 4, -number)
    assert_whole(bucket)


# The server does not answer, and the first signal waits for what is under way: the second ends the program at once.
def test_a_second_signal_ends_a_sync_that_waits_for_the_server(emulator_alone, tmp_path):
    bucket = S3Bucket(emulator_alone, tmp_path)
    fill(bucket, 20)
    bucket.sync()
    bucket.write("new.txt", "Fenders protect the hull.\n")
    emulator_alone.misbehave({"operation": "GetObject", "key_contains": "new.txt", "fault": "stall"})
    process = bucket.start("sync", bucket.source, *bucket.sync_options)
    emulator_alone.wait_for_faults()
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline() == b"stopping: what is finished is committed first\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    process.communicate()
    emulator_alone.behave()
    assert_whole(bucket, 21)
