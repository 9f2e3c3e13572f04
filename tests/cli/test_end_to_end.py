import json
import os
import pty
import re
import subprocess

import pytest
from bucket import KEDGE, YESTERDAY


def fill(bucket):
    bucket.write("leave.md", "# Leave\n\nParental leave lasts twenty weeks.\n")
    bucket.write("deep/pump.txt", "The bilge pump is reset with the red lever.\n")
    bucket.write("prices.csv", "item,price\nanchor,120\nrope,15\n")
    bucket.write("photo.png", b"\x89PNG\r\n\x1a\n" + bytes(64))


def test_the_main_job(bucket):
    fill(bucket)
    counts = bucket.sync()
    assert counts["listed"] == 4 and counts["indexed"] == 3 and counts["skipped"] == 1
    best = bucket.search("reset the bilge pump with the red lever")[0]
    assert best["key"] == "deep/pump.txt" and best["proof"] == "verified"
    for field in ("uri", "version_id", "etag", "size", "last_modified", "content_hash", "locator", "score", "distance",
                  "snippet", "recipe", "generation", "synced_at"):
        assert field in best, field
    got = bucket.run("get", "deep/pump.txt", "--index", "docs/.kedge")
    assert got.stdout == b"The bilge pump is reset with the red lever.\n"
    # A reference that went out as JSON comes back in on standard input.
    again = bucket.run("get", "-", "--index", "docs/.kedge", stdin=json.dumps(best).encode() + b"\n")
    assert again.stdout == got.stdout


def test_drift_has_its_exit_code_and_is_healed(bucket):
    fill(bucket)
    bucket.sync()
    bucket.write("leave.md", "# Leave\n\nParental leave lasts thirty weeks.\n", age=3600)
    (bucket.docs / "prices.csv").unlink()
    drift = bucket.ask("verify", "--index", "docs/.kedge", code=3)
    assert {item["kind"] for item in drift["sources"][0]["items"]} == {"changed", "gone"}
    stale = [hit for hit in bucket.search("parental leave twenty weeks") if hit["key"] == "leave.md"][0]
    assert stale["proof"] == "changed" and stale["snippet"] == ""
    bucket.run("get", "leave.md", "--index", "docs/.kedge", code=3)
    bucket.run("get", "prices.csv", "--index", "docs/.kedge", code=3)
    bucket.run("get", "never.txt", "--index", "docs/.kedge", code=1)
    assert bucket.ask("verify", "--repair", "--index", "docs/.kedge")["clean"]


def test_a_damaged_segment_is_built_anew(bucket):
    fill(bucket)
    bucket.sync()
    segment, = (path for path in (bucket.docs / ".kedge/seg").rglob("*") if path.is_file())
    segment.write_bytes(segment.read_bytes()[:-1])
    index = ("--index", "docs/.kedge")
    assert segment.name in bucket.ask("verify", "--full", *index, code=3)["damaged_files"][0]
    repaired = bucket.ask("verify", "--repair", *index)
    assert repaired["clean"] and segment.name in repaired["segments_let_go"][0]
    assert repaired["objects_let_go"] == repaired["objects_back"] == 4
    assert repaired["repaired"][0]["chunks_embedded"] == 0
    assert bucket.search("reset the bilge pump with the red lever")[0]["key"] == "deep/pump.txt"


def test_withheld_deletes_wait_for_their_number(bucket):
    for number in range(30):
        bucket.write(f"{number}.txt", f"object {number}\n")
    bucket.sync()
    for number in range(12):
        (bucket.docs / f"{number}.txt").unlink()
    assert bucket.sync(code=3)["withheld"] == 12
    assert bucket.ask("status", "--index", "docs/.kedge")["sources"][0]["withheld_deletes"] == 12
    assert bucket.sync("--approve", "11", code=3)["deleted"] == 0
    assert bucket.sync("--approve", "12")["deleted"] == 12


def test_generations_pins_and_the_end_of_an_index(bucket):
    fill(bucket)
    bucket.sync()
    index = ("--index", "docs/.kedge")
    generation = bucket.ask("status", *index)["generation"]
    bucket.run("pin", "add", "release", *index)
    bucket.write("new.txt", "Fenders protect the hull.\n", age=60)
    bucket.sync()
    assert bucket.search("fenders protect the hull")[0]["key"] == "new.txt"
    bucket.run("rollback", generation, *index)
    assert "new.txt" not in [hit["key"] for hit in bucket.search("fenders protect the hull")]
    pinned = [g for g in bucket.ask("history", *index)["generations"] if g["pinned_by"] == "release"]
    assert [g["generation"] for g in pinned] == [generation]
    bucket.run("pin", "remove", "release", *index)
    assert bucket.ask("gc", "--dry-run", *index)["removed"] == 0
    assert bucket.ask("doctor", *index)["ok"]
    assert b"file://" in bucket.run("source", "list", *index).stdout
    bucket.run("drop", *index, code=2)
    bucket.run("drop", "--yes", *index)
    bucket.run("status", *index, code=1)


def test_wrong_use_says_what_to_do(bucket):
    for arguments, said in ((["serch", "x"], b"kedge search"), (["search"], b"--vector"),
                            (["search", "x", "--grup", "chunk"], b"--group"), (["sync", "s3://b/p"], b"--index"),
                            (["status", "--index", "nowhere", "--memory", "32MiB"], b"at least 64MiB are needed (--memory)")):
        done = bucket.run(*arguments, code=2)
        assert said in done.stderr, (arguments, done.stderr)
    assert b"kedge sync" in bucket.run("status", code=1).stderr
    error = json.loads(bucket.run("status", "--index", "nowhere", "--json", code=1).stdout)["error"]
    assert error["code"] == "not_found" and "sync" in error["message"]


def test_the_index_is_found_from_inside_the_folder_and_by_what_was_synced_last(bucket):
    fill(bucket)
    bucket.sync()
    inside = subprocess.run([KEDGE, "status", "--json"], cwd=bucket.docs / "deep", env=bucket.environment,
                            capture_output=True, check=True)
    assert json.loads(inside.stdout)["index"].endswith(".kedge")
    elsewhere = bucket.run("status")
    assert b"synced last" in elsewhere.stderr
    bucket.run("doctor")


# A command that changes an index never guesses which: the one synced last may be another's, or of another day.
@pytest.mark.parametrize("words", [["sync"], ["sync", "--include", "x"], ["gc"], ["drop", "--yes"], ["rollback", "2"],
                                   ["pin", "add", "x"], ["pin", "remove", "x"], ["source", "remove", "x"], ["verify", "--repair"]])
def test_nothing_is_written_to_an_index_that_was_guessed(bucket, words):
    fill(bucket)
    bucket.sync()
    before = bucket.ask("status", "--index", "docs/.kedge")["commit_id"]
    refused = bucket.run(*words, code=2)
    assert f"--index {bucket.docs}/.kedge".encode() in refused.stderr
    assert bucket.ask("status", "--index", "docs/.kedge")["commit_id"] == before


def test_commands_that_are_shown_can_be_copied(bucket):
    fill(bucket)
    bucket.sync()
    (bucket.docs / "prices.csv").unlink()
    drift = bucket.run("verify", "--index", "docs/.kedge", code=3).stdout.decode()
    assert "`kedge sync --index docs/.kedge` heals it" in drift
    for name in ("leave.md", "photo.png", "deep/pump.txt"):
        (bucket.docs / name).unlink()
    shown = bucket.run("sync", "docs", code=3).stdout.decode()
    command = re.search(r"^  kedge (sync --approve 4 --index .*)$", shown, re.M)[1]
    assert b"4 deleted" in bucket.run(*command.split()).stdout


def test_hostile_names_reach_no_terminal(bucket):
    names = ["a\x1b[31mred.txt", "line\nbreak.txt", "\u202etxt.exe", "sp ace.txt"]
    for name in names:
        bucket.write(name, "hostile names are only names\n")
    os.makedirs(os.fsencode(bucket.docs) + b"/bytes", exist_ok=True)
    with open(os.fsencode(bucket.docs) + b"/bytes/\xff\xfe.txt", "wb") as file:
        file.write(b"hostile names of other bytes\n")
    assert bucket.sync()["indexed"] == 5
    shown = bucket.run("search", "hostile names are only names", "--all", "--index", "docs/.kedge").stdout
    assert b"\x1b" not in shown and "\u202e".encode() not in shown
    found = {hit["key"]: hit for hit in bucket.search("hostile names are only names", "--all")}
    assert set(names) <= set(found)
    odd = [hit for hit in found.values() if "key_bytes" in hit]
    assert len(odd) == 1
    got = bucket.run("get", "-", "--index", "docs/.kedge", stdin=json.dumps(odd[0]).encode() + b"\n")
    assert got.stdout == b"hostile names of other bytes\n"


def test_no_binary_on_a_terminal(bucket):
    bucket.write("odd.txt", b"plain text with a bell \x07 and an escape \x1b[2J in it\n" * 3)
    bucket.sync()
    leader, follower = pty.openpty()
    done = subprocess.run([KEDGE, "get", "odd.txt", "--index", "docs/.kedge"], cwd=bucket.folder,
                          env=bucket.environment, stdout=follower, stderr=subprocess.PIPE, check=False)
    os.close(follower)
    os.close(leader)
    assert done.returncode != 0 and b"-o" in done.stderr


def test_one_absence_is_proven_and_deleted(bucket):
    fill(bucket)
    bucket.sync()
    (bucket.docs / "deep/pump.txt").unlink()
    counts = bucket.sync()
    assert counts["deleted"] == 1 and counts["objects_read"] == 0


@pytest.mark.parametrize("command", ["sync", "search", "get", "status", "verify", "gc", "history", "pin add", "drop", "doctor"])
def test_every_help_has_an_example(bucket, command):
    text = bucket.run(*command.split(), "--help").stdout.decode()
    assert re.search(rf"kedge {command}", text)


# A typo must not become a folder with an empty index in it, and no SOURCE of no name the index of the file system's root.
@pytest.mark.parametrize("source, code", [("dosc", 1), ("dosc/deeper", 1), ("", 2), ("file://dosc", 2)])
def test_a_source_that_is_not_there_makes_nothing(bucket, source, code):
    assert bucket.run("sync", source, code=code).stderr
    assert sorted(os.listdir(bucket.folder)) in (["docs"], ["docs", "state"])
    assert not os.path.exists("/.kedge") and os.listdir(bucket.docs) == []


def test_a_model_that_is_not_there_makes_nothing(bucket):
    fill(bucket)
    assert b"model" in bucket.run("sync", "docs", "--model", "nowhere", code=1).stderr
    assert not (bucket.docs / ".kedge").exists()


def test_a_file_is_a_source(bucket):
    fill(bucket)
    bucket.write("deep/[odd] *.md", "The odd file of the bucket.\n")
    shown = bucket.run("sync", "docs/leave.md").stdout.decode()
    assert "  only /leave.md\n  1 listed = 1 indexed" in shown
    assert (bucket.docs / ".kedge/head").exists()  # beside the file: found from there
    # From inside the folder, by several names, by URL: the same source.
    inside = {"cwd": bucket.docs, "env": bucket.environment, "capture_output": True, "check": True}
    subprocess.run([KEDGE, "sync", "prices.csv", "leave.md"], **inside)
    counts = bucket.ask("sync", f"file://{bucket.docs}/leave.md")["sources"][0]
    assert counts["include"] == ["/leave.md", "/prices.csv"] and counts["listed"] == 2
    status = bucket.run("status", "--index", "docs/.kedge").stdout.decode()
    assert "  only /leave.md, /prices.csv\n" in status
    assert {hit["key"] for hit in bucket.search("anything", "--snippets", "source")} == {"leave.md", "prices.csv"}
    assert bucket.ask("verify", "docs/leave.md", "--index", "docs/.kedge")["clean"]
    # A name of glob characters is a name.
    odd = bucket.ask("sync", "docs/deep/[odd] *.md", "--index", "odd")["sources"][0]
    assert odd["listed"] == 1 and odd["indexed"] == 1


def test_a_file_that_would_overlap_is_refused_with_the_command(bucket):
    fill(bucket)
    bucket.sync()
    refused = bucket.run("sync", "docs/leave.md", code=2).stderr.decode()
    assert f"kedge sync file://{bucket.docs}/" in refused
    assert "overlaps" in bucket.run("sync", "docs/deep/pump.txt", "--index", "docs/.kedge", code=2).stderr.decode()
    assert "--index" in bucket.run("sync", "docs/leave.md", "docs/deep/pump.txt", code=2).stderr.decode()
    assert "one of them is enough" in bucket.run("sync", "docs", "docs/leave.md", "--index", "x", code=2).stderr.decode()
    os.mkfifo(bucket.folder / "pipe")
    assert "neither a folder nor a file" in bucket.run("sync", "pipe", code=2).stderr.decode()
    assert bucket.sync()["deleted"] == 0


def files_of(index):
    return sorted(str(path.relative_to(index)) for path in index.rglob("*")
                  if path.is_file() and not path.relative_to(index).parts[0].startswith("."))


def age(index, days):
    """As if so much time had passed: a store of files is as old as its files say (docs/commit.md, rule 9)."""
    for path in index.rglob("*"):
        os.utime(path, (path.stat().st_atime - days * YESTERDAY, path.stat().st_mtime - days * YESTERDAY))


def test_a_dropped_index_is_collected_when_nothing_holds_it(bucket):
    fill(bucket)
    bucket.sync()
    index, there = ("--index", "docs/.kedge"), bucket.docs / ".kedge"
    assert b"kedge history" in bucket.run("drop", "--yes", *index).stderr
    # What was dropped says so, and what to do.
    said = bucket.run("status", *index, code=1).stderr
    assert b"was dropped" in said and b"kedge rollback" in said and b"kedge sync" in said
    held = [name for name in files_of(there) if name.startswith("seg/")]
    report = bucket.ask("gc", *index)
    assert report["dropped"] and report["held"] and report["removed"] == 0
    assert [name for name in files_of(there) if name.startswith("seg/")] == held  # still retained
    assert b"not retained any more" in bucket.run("gc", *index).stdout
    age(there, 3)
    assert bucket.ask("gc", "--dry-run", *index)["dropped"]
    assert held and [name for name in files_of(there) if name.startswith("seg/")] == held  # a dry run deletes nothing
    assert bucket.ask("gc", *index)["removed"] >= len(held)
    # A second one takes the history that the first fence put out of the retention.
    age(there, 3)
    assert bucket.ask("gc", *index)["stopped"] == ""
    left = [name for name in files_of(there) if not name.startswith("cache/")]
    assert "head" in left and not [name for name in left if name.startswith(("seg/", "del/"))]
    assert len(left) <= 3, left  # the head, and the history that its last fence made
    assert b"its head stays" in bucket.run("gc", *index).stdout
    # The same place can be used again, and the cache pays.
    counts = bucket.sync()
    assert counts["indexed"] == 3 and counts["chunks_embedded"] == 0
    assert bucket.ask("verify", "--full", *index)["clean"]


def test_a_drop_can_be_taken_back_while_it_is_retained(bucket):
    fill(bucket)
    bucket.sync()
    index = ("--index", "docs/.kedge")
    before, generation = bucket.live_set(), bucket.ask("status", *index)["generation"]
    bucket.run("drop", "--yes", *index)
    generations = bucket.ask("history", *index)["generations"]
    assert generations[0]["dropped"] and generations[0]["current"]
    bucket.run("rollback", generation + 1, *index, code=2)  # to the drop itself
    bucket.run("rollback", generation, *index)
    assert bucket.live_set() == before
