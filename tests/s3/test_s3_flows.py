"""What a person does with an index, on a bucket: the flows of tests/cli/test_end_to_end.py."""
import json
import re

import pytest

RETENTION_DAYS = 3  # more than an index keeps by default


def fill(bucket):
    bucket.write("leave.md", "# Leave\n\nParental leave lasts twenty weeks.\n")
    bucket.write("deep/pump.txt", "The bilge pump is reset with the red lever.\n")
    bucket.write("prices.csv", "item,price\nanchor,120\nrope,15\n")
    bucket.write("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(64))


def index_of(bucket):
    return ("--index", bucket.index)


def test_the_main_job(bucket):
    fill(bucket)
    counts = bucket.sync()
    assert counts["listed"] == 4 and counts["indexed"] == 3 and counts["skipped"] == 1
    best = bucket.search("reset the bilge pump with the red lever")[0]
    assert best["key"] == "deep/pump.txt" and best["proof"] == "verified"
    assert best["uri"] == f"{bucket.source}/deep/pump.txt"
    assert best["snippet"] == "The bilge pump is reset with the red lever."
    got = bucket.run("get", "deep/pump.txt", *index_of(bucket))
    assert got.stdout == b"The bilge pump is reset with the red lever.\n"
    # A reference that went out as JSON comes back in on standard input.
    again = bucket.run("get", "-", *index_of(bucket), stdin=json.dumps(best).encode() + b"\n")
    assert again.stdout == got.stdout


def test_drift_has_its_exit_code_and_is_healed(bucket):
    fill(bucket)
    bucket.sync()
    bucket.write("leave.md", "# Leave\n\nParental leave lasts thirty weeks.\n")
    bucket.remove("prices.csv")
    drift = bucket.ask("verify", *index_of(bucket), code=3)
    assert {item["kind"] for item in drift["sources"][0]["items"]} == {"changed", "gone"}
    stale = [hit for hit in bucket.search("parental leave twenty weeks") if hit["key"] == "leave.md"][0]
    assert stale["proof"] == "changed" and stale["snippet"] == ""
    bucket.run("get", "leave.md", *index_of(bucket), code=3)
    bucket.run("get", "prices.csv", *index_of(bucket), code=3)
    bucket.run("get", "never.txt", *index_of(bucket), code=1)
    assert bucket.ask("verify", "--repair", *index_of(bucket))["clean"]
    assert bucket.search("parental leave thirty weeks")[0]["proof"] == "verified"


def test_one_absence_is_proven_and_deleted(bucket):
    fill(bucket)
    bucket.sync()
    bucket.remove("deep/pump.txt")
    counts = bucket.sync()
    assert counts["deleted"] == 1 and counts["objects_read"] == 0


def test_withheld_deletes_wait_for_their_number(bucket):
    for number in range(30):
        bucket.write(f"{number}.txt", f"object {number}\n")
    bucket.sync()
    for number in range(12):
        bucket.remove(f"{number}.txt")
    assert bucket.sync(code=3)["withheld"] == 12
    assert bucket.ask("status", *index_of(bucket))["sources"][0]["withheld_deletes"] == 12
    assert bucket.sync("--approve", "11", code=3)["deleted"] == 0
    assert bucket.sync("--approve", "12")["deleted"] == 12


# A bucket that is emptied, or a prefix that somebody moved away, takes nothing out of the index by itself.
def test_a_source_that_is_empty_now_deletes_nothing(bucket):
    fill(bucket)
    bucket.sync()
    before = bucket.live_set()
    for key in ("leave.md", "deep/pump.txt", "prices.csv", "photo.png"):
        bucket.remove(key)
    assert bucket.sync(code=3)["deleted"] == 0
    assert bucket.live_set() == before


def test_generations_pins_and_the_end_of_an_index(bucket):
    fill(bucket)
    bucket.sync()
    index = index_of(bucket)
    generation = bucket.ask("status", *index)["generation"]
    bucket.run("pin", "add", "release", *index)
    bucket.write("new.txt", "Fenders protect the hull.\n")
    bucket.sync()
    assert bucket.search("fenders protect the hull")[0]["key"] == "new.txt"
    bucket.run("rollback", generation, *index)
    assert "new.txt" not in [hit["key"] for hit in bucket.search("fenders protect the hull")]
    pinned = [g for g in bucket.ask("history", *index)["generations"] if g["pinned_by"] == "release"]
    assert [g["generation"] for g in pinned] == [generation]
    bucket.run("pin", "remove", "release", *index)
    assert bucket.ask("gc", "--dry-run", *index)["removed"] == 0
    assert bucket.ask("doctor", *index)["ok"]
    assert bucket.source.encode() in bucket.run("source", "list", *index).stdout
    bucket.run("drop", *index, code=2)
    bucket.run("drop", "--yes", *index)
    said = bucket.run("status", *index, code=1).stderr
    assert b"was dropped" in said and b"kedge rollback" in said


def test_a_drop_can_be_taken_back_while_it_is_retained(bucket):
    fill(bucket)
    bucket.sync()
    index = index_of(bucket)
    before, generation = bucket.live_set(), bucket.ask("status", *index)["generation"]
    bucket.run("drop", "--yes", *index)
    bucket.run("rollback", generation, *index)
    assert bucket.live_set() == before


def test_a_dropped_index_is_collected_when_nothing_holds_it(bucket):
    fill(bucket)
    bucket.sync()
    index = index_of(bucket)

    def parts():
        return [key for key in bucket.keys() if key.startswith(("index/seg/", "index/del/"))]

    bucket.run("drop", "--yes", *index)
    held = parts()
    assert held and bucket.ask("gc", *index)["removed"] == 0
    with bucket.later(RETENTION_DAYS):
        assert bucket.ask("gc", "--dry-run", *index)["dropped"]
    assert parts() == held
    with bucket.later(RETENTION_DAYS):
        assert bucket.ask("gc", *index)["removed"] >= len(held)
        # The same place can be used again, and the cache pays.
        counts = bucket.sync()
        assert counts["indexed"] == 3 and counts["chunks_embedded"] == 0
        assert bucket.ask("verify", "--full", *index)["clean"]
    assert not set(parts()) & set(held) and "index/head" in bucket.keys()


def test_nothing_is_written_to_an_index_that_was_guessed(bucket):
    fill(bucket)
    bucket.sync()
    before = bucket.ask("status", *index_of(bucket))["commit_id"]
    for words in (["sync"], ["gc"], ["drop", "--yes"], ["verify", "--repair"]):
        assert f"--index {bucket.index}".encode() in bucket.run(*words, code=2).stderr
    assert bucket.ask("status", *index_of(bucket))["commit_id"] == before
    assert b"synced last" in bucket.run("status").stderr  # reading may guess, and says so


def test_a_source_on_s3_needs_an_index(bucket):
    fill(bucket)
    assert b"--index" in bucket.run("sync", bucket.source, code=2).stderr
    assert not bucket.keys()


def test_commands_that_are_shown_can_be_copied(bucket):
    fill(bucket)
    bucket.sync()
    for name in ("leave.md", "photo.png", "deep/pump.txt", "prices.csv"):
        bucket.remove(name)
    shown = bucket.run("sync", bucket.source, *index_of(bucket), code=3).stdout.decode()
    command = re.search(r"^  kedge (sync --approve 4 --index .*)$", shown, re.M)[1]
    assert b"4 deleted" in bucket.run(*command.split()).stdout


@pytest.mark.parametrize("source", [
    "s3://there-is-no-such-bucket/docs", "s3://", "s3:///docs", "s3://..name../x"])
def test_a_source_that_is_not_there_makes_nothing(bucket, source):
    done = bucket.start("sync", source, "--index", bucket.index)
    _, said = done.communicate(timeout=120)
    assert done.returncode in (1, 2) and said
    assert not bucket.keys()


def test_an_index_that_is_not_there_says_what_makes_it(bucket):
    error = bucket.ask("status", *index_of(bucket), code=1)["error"]
    assert error["code"] == "not_found" and "sync" in error["message"]


def test_a_model_that_is_not_there_makes_nothing(bucket):
    fill(bucket)
    assert b"model" in bucket.run("sync", bucket.source, *index_of(bucket), "--model", "nowhere", code=1).stderr
    assert not bucket.keys()


# An object named exactly is an object of its prefix, as a local file is one of its folder.
def test_an_object_is_a_source(bucket):
    fill(bucket)
    counts = bucket.ask("sync", f"{bucket.source}/leave.md", *index_of(bucket))["sources"][0]
    assert counts["listed"] == 1 and counts["indexed"] == 1 and counts["include"] == ["/leave.md"]
    assert [hit["key"] for hit in bucket.search("anything")] == ["leave.md"]


# What a sync wrote must not become what the next one reads.
def test_an_index_inside_its_source_is_not_indexed(bucket):
    fill(bucket)
    inside = ("--index", f"{bucket.source}/.kedge")
    first = bucket.ask("sync", bucket.source, *inside)["sources"][0]
    second = bucket.ask("sync", bucket.source, *inside)["sources"][0]
    assert first["listed"] == second["listed"] == 4 and second["objects_read"] == 0


# Index and source apart, each of either kind.
@pytest.mark.parametrize("source_is_local, index_is_local", [(True, False), (False, True)])
def test_a_folder_and_a_bucket_go_together(bucket, source_is_local, index_is_local):
    (bucket.docs / "leave.md").write_text("Parental leave lasts twenty weeks.\n")
    bucket.write("leave.md", "Parental leave lasts twenty weeks.\n")
    source = "docs" if source_is_local else bucket.source
    index = ("--index", "local-index" if index_is_local else bucket.index)
    assert bucket.ask("sync", source, *index)["sources"][0]["indexed"] == 1
    assert bucket.ask("search", "parental leave", *index)["results"][0]["proof"] == "verified"
    assert bucket.run("get", "leave.md", *index).stdout == b"Parental leave lasts twenty weeks.\n"
