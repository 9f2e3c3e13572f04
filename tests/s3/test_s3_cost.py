"""What a sync asks of the servers when nothing changed: counted by the program, and by the emulator itself."""
from s3_bucket import S3Bucket

# The head, the tree and the directory of the segment: what says that there is nothing to do.
MOST_INDEX_READS = 3


def fill(bucket, objects=40):
    for number in range(objects):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")


def assert_cheap(usage):
    source, index = usage["source_usage"], usage["index_usage"]
    assert source["reads"] == source["stats"] == source["bytes_in"] == 0
    assert source["lists"] == 1  # one page
    assert index["reads"] + index["stats"] <= MOST_INDEX_READS, index
    assert index["puts"] == index["creates"] == index["swaps"] == index["removes"] == index["lists"] == 0, index


def test_a_sync_without_news_reads_no_object(bucket):
    fill(bucket)
    assert bucket.ask("sync", bucket.source, *bucket.sync_options)["source_usage"]["reads"] == 40
    assert_cheap(bucket.ask("sync", bucket.source, *bucket.sync_options))
    # Neither does the first one of another home.
    other = bucket.folder / "elsewhere"
    other.mkdir()
    assert_cheap(S3Bucket(bucket.server, other, like=bucket).ask("sync", bucket.source, *bucket.sync_options))


# The program could miscount itself: the emulator saw every request.
def test_the_server_agrees(emulator_alone, tmp_path):
    bucket = S3Bucket(emulator_alone, tmp_path)
    fill(bucket)
    bucket.sync()
    before = requests_of(emulator_alone)
    usage = bucket.ask("sync", bucket.source, *bucket.sync_options)
    seen = {name: count - before.get(name, 0) for name, count in requests_of(emulator_alone).items()}
    reads = seen.get("GetObject", 0) + seen.get("HeadObject", 0)
    assert reads == sum(usage[part][name] for part in ("source_usage", "index_usage") for name in ("reads", "stats"))
    assert reads <= MOST_INDEX_READS
    assert seen.get("ListObjectsV2", 0) == 1
    assert {name for name, count in seen.items() if count} <= {"GetObject", "HeadObject", "ListObjectsV2"}


def requests_of(emulator):
    return {name: count["requests"] for name, count in emulator.counts().items()}


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
