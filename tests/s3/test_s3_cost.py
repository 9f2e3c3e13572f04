"""What a sync asks of the servers when nothing changed: counted by the program, and by the emulator itself."""
import pytest
from s3_bucket import S3Bucket


def fill(bucket, objects=40):
    for number in range(objects):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")


def assert_cheap(usage):
    source, index = usage["source_usage"], usage["index_usage"]
    assert source["reads"] == source["stats"] == source["bytes_in"] == 0
    assert index["reads"] <= 3, index  # the head, the tree, the directory of a segment
    for name in ("stats", "puts", "creates", "swaps", "removes", "lists", "bytes_out"):
        assert index[name] == 0, index


def test_a_sync_without_news_reads_no_object(bucket):
    fill(bucket)
    assert bucket.ask("sync", bucket.source, *bucket.sync_options)["source_usage"]["reads"] == 40
    assert_cheap(bucket.ask("sync", bucket.source, *bucket.sync_options))
    # Neither does the first one of another home.
    other = bucket.folder / "elsewhere"
    other.mkdir()
    assert_cheap(S3Bucket(bucket.server, other, like=bucket).ask("sync", bucket.source, *bucket.sync_options))


@pytest.fixture
def unchanged(emulator_alone, tmp_path):
    """A second sync: what it says that it asked for, and what the server saw."""
    bucket = S3Bucket(emulator_alone, tmp_path)
    fill(bucket)
    bucket.sync()
    emulator_alone.program.forget()
    return bucket.ask("sync", bucket.source, *bucket.sync_options), emulator_alone.records()


# The program could miscount itself: the server saw every request.
def test_the_server_saw_no_more_than_heads_and_one_listing(unchanged):
    _, seen = unchanged
    assert [record for record in seen if record["status"] == 200 and record["key"].startswith("docs/")] == []
    assert sum(record["operation"] == "ListObjectsV2" for record in seen) == 1
    assert {record["operation"] for record in seen} <= {"GetObject", "HeadObject", "HeadBucket", "ListObjectsV2"}
    assert all(record["key"].endswith("/head") for record in seen if record["operation"] == "GetObject"), seen


def test_the_program_counts_what_the_server_saw(unchanged):
    said, seen = unchanged
    reads = sum(record["operation"] == "GetObject" for record in seen)
    sent = sum(said[usage][name] for usage in ("source_usage", "index_usage") for name in ("reads", "hedges"))
    assert reads == sent
    assert said["source_usage"]["lists"] == sum(record["operation"] == "ListObjectsV2" for record in seen)


def test_the_head_is_read_once(unchanged):
    _, seen = unchanged
    assert sum(record["operation"] == "GetObject" and record["key"] == "index/head" for record in seen) == 1


# One object changed: it alone is read.
def test_one_change_costs_one_read(bucket):
    fill(bucket)
    bucket.sync()
    bucket.write("7.txt", "object 7 has changed\n")
    usage = bucket.ask("sync", bucket.source, *bucket.sync_options)
    assert usage["source_usage"]["reads"] == 1 and usage["sources"][0]["changed"] == 1


# Written again with the same bytes: an ETag may stay or not, and the model is asked for nothing.
def test_the_same_bytes_again_cost_no_embedding(bucket):
    fill(bucket)
    bucket.sync()
    for number in range(40):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")
    counts = bucket.sync()
    assert counts["chunks_embedded"] == 0 and counts["indexed"] == 40


def test_a_dry_run_writes_nothing(bucket):
    fill(bucket)
    usage = bucket.ask("sync", bucket.source, *bucket.sync_options, "--dry-run")
    assert usage["index_usage"]["puts"] == usage["index_usage"]["creates"] == usage["index_usage"]["swaps"] == 0
    assert not bucket.keys()
