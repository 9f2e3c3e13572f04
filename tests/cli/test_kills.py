"""kill -9 at random moments, and two syncs at once: the index ends as one unbroken run would leave it."""
import random
import signal

from bucket import killed_within

SEED = 20261124
OBJECTS = 400
KILLS = 20


def fill(bucket):
    for number in range(OBJECTS):
        text = "\n\n".join(f"Paragraph {part} of object {number} of the bucket, number {number * part}." for part in range(6))
        bucket.write(f"{number % 10}/{number}.txt", text + "\n")


def test_kills_lose_and_double_nothing(bucket):
    print("seed", SEED)
    chance = random.Random(SEED)
    fill(bucket)
    killed = 0
    for _ in range(KILLS):
        killed += killed_within(bucket.start("sync", "docs", "--quiet"), 0.4, chance)
        # Something else to do for the next run, so that each has work to be killed in.
        number = chance.randrange(OBJECTS)
        bucket.write(f"{number % 10}/{number}.txt", f"object {number} of the bucket, written again {killed}\n", age=chance.randrange(60, 7200))
    assert killed > 0
    counts = bucket.sync()
    assert counts["indexed"] == OBJECTS and counts["failed"] == 0
    assert bucket.ask("verify", "--full", "--index", "docs/.kedge")["clean"]
    assert bucket.live_set() == bucket.live_set_of_an_unbroken_run()


def test_two_syncs_at_once_end_well(bucket):
    fill(bucket)
    both = [bucket.start("sync", "docs", "--quiet") for _ in range(2)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, (out, err)
    live = bucket.live_set()
    assert len({key for key, *_ in live}) == OBJECTS
    assert len(live) == len(set(live))
    assert bucket.ask("verify", "--full", "--index", "docs/.kedge")["clean"]


def test_an_interrupt_commits_what_is_finished_and_can_be_resumed(bucket):
    fill(bucket)
    process = bucket.start("sync", "docs", "--json")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    # 4: stopped after the handler was there; a signal before that ends the process as usual.
    assert process.returncode in (0, 4, -signal.SIGINT)
    assert bucket.sync()["indexed"] == OBJECTS
