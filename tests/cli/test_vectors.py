"""Vectors of the caller's own: import, search by a vector, filters on their metadata; sidecars; and what a terminal shows."""
import json
import os
import pty
import struct
import subprocess

import pytest
from bucket import KEDGE

INDEX = ("--index", "vectors.kedge")


def fvecs(path, rows):
    path.write_bytes(b"".join(struct.pack(f"<i{len(row)}f", len(row), *row) for row in rows))


def corners(count, dimension=8):
    """Rows that are near one axis each, the next row to the next axis."""
    return [[1.0 if axis == number % dimension else 0.001 * number for axis in range(dimension)] for number in range(count)]


def keys(answer):
    return [hit["key"] for hit in answer["results"]]


def test_records_are_found_by_a_vector(bucket):
    fvecs(bucket.folder / "rows.fvecs", corners(40))
    report = bucket.ask("import", "rows.fvecs", "--metric", "l2", *INDEX)
    assert report["records"] == 40
    query = [0.0] * 8
    query[3] = 1.0
    expected = [f"{number:012}" for number in (3, 11, 19)]
    found = bucket.ask("search", "--vector", json.dumps(query), "-k", 3, "--snippets", "none", *INDEX)
    assert keys(found) == expected
    fvecs(bucket.folder / "query.fvecs", [query])
    assert keys(bucket.ask("search", "--vector", "query.fvecs", "-k", 3, "--snippets", "none", *INDEX)) == keys(found)


def test_a_record_takes_the_place_of_its_key(bucket):
    lines = bucket.folder / "records.jsonl"
    lines.write_text("".join(json.dumps({"id": name, "vector": vector, "metadata": {"year": year}}) + "\n" for name, vector, year in
                             (("a", [1, 0, 0], 2019), ("b", [0, 1, 0], 2021), ("c", [0, 0, 1], 2024))))
    bucket.run("import", "records.jsonl", "--metric", "cosine", *INDEX)
    ask = ("search", "--vector", "[1, 0.2, 0.1]", "--snippets", "none", *INDEX)
    assert keys(bucket.ask(*ask)) == ["a", "b", "c"]
    assert keys(bucket.ask(*ask, "--filter", "year >= 2020")) == ["b", "c"]
    lines.write_text(json.dumps({"id": "a", "vector": [0, 0, -1], "metadata": {"year": 2025}}) + "\n")
    bucket.run("import", "records.jsonl", "--metric", "cosine", *INDEX)
    assert keys(bucket.ask(*ask)) == ["b", "c", "a"]
    assert keys(bucket.ask(*ask, "--filter", "year = 2025")) == ["a"]


@pytest.mark.parametrize(("vector", "said"), [
    ("[1, 2", b"at byte"), ("[1, 2]", b"8"), ("[]", b"vector"), ("nowhere.fvecs", b"nowhere.fvecs"),
    (json.dumps([0.0] * 7 + [1e39]), b"at byte")])
def test_a_wrong_vector_is_named(bucket, vector, said):
    fvecs(bucket.folder / "rows.fvecs", corners(9))
    bucket.run("import", "rows.fvecs", "--metric", "l2", *INDEX)
    answer = subprocess.run([KEDGE, "search", "--vector", vector, *INDEX], cwd=bucket.folder, env=bucket.environment,
                            capture_output=True, check=False)
    assert answer.returncode in (1, 2) and said in answer.stderr, answer.stderr


def test_sidecars_are_metadata_and_no_documents(bucket):
    for name, team, year in (("plan.txt", "core", 2021), ("draft.txt", "web", 2024)):
        bucket.write(name, f"The {name} of the harbour.\n")
        bucket.write(name + ".metadata.json", json.dumps({"metadataAttributes": {"team": team, "year": year}}))
    assert bucket.sync("--sidecars")["indexed"] == 2
    ask = ("the harbour", "--snippets", "none", "--filter")
    assert [hit["key"] for hit in bucket.search(*ask, 'team = "core"')] == ["plan.txt"]
    assert [hit["key"] for hit in bucket.search(*ask, "year > 2022")] == ["draft.txt"]
    # A change of the sidecar alone.
    bucket.write("plan.txt.metadata.json", json.dumps({"metadataAttributes": {"team": "web", "year": 2021}}), age=60)
    bucket.sync()
    assert sorted(hit["key"] for hit in bucket.search(*ask, 'team = "web"')) == ["draft.txt", "plan.txt"]
    assert bucket.search(*ask, 'team = "core"') == []


def shown_on_a_terminal(bucket, *arguments):
    leader, follower = pty.openpty()
    process = subprocess.Popen([KEDGE, *arguments], cwd=bucket.folder, env={**bucket.environment, "TERM": "xterm"},
                               stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    text = b""
    while True:
        try:
            piece = os.read(leader, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(leader)
    assert process.wait() == 0, text
    return text.decode()


def test_long_work_shows_how_far_it_is(bucket):
    fvecs(bucket.folder / "rows.fvecs", corners(20_000))
    text = shown_on_a_terminal(bucket, "import", "rows.fvecs", "--metric", "l2", "--batch", "5000", *INDEX)
    assert "importing" in text and "20,000 records" in text
    assert "merging" in text and "rows" in text
    again = shown_on_a_terminal(bucket, "compact", "--retrain", *INDEX)
    assert "merging" in again and "20,000 rows" in again
