"""Buckets that keep versions: a reference names the version that was indexed, and it can still be read."""
import json

import pytest
from s3_bucket import S3Bucket

OLD, NEW = b"Parental leave lasts twenty weeks.\n", b"Parental leave lasts thirty weeks.\n"


@pytest.fixture
def versioned(server, tmp_path):
    bucket = S3Bucket(server, tmp_path, versioned=True)
    bucket.write("leave.md", OLD)
    bucket.sync()
    return bucket


def reference(bucket):
    return bucket.search("parental leave lasts twenty weeks")[0]


def outcome(bucket, *options, code=0):
    return bucket.ask("get", "leave.md", "--index", bucket.index, *options, code=code)["outcomes"][0]


def versions(bucket):
    found = bucket.s3.list_object_versions(Bucket=bucket.name, Prefix="docs/leave.md")
    return [version["VersionId"] for version in found.get("Versions", [])]


def test_a_reference_names_the_version(versioned):
    only, = versions(versioned)
    assert reference(versioned)["version_id"] == only and only not in ("", "null")
    assert outcome(versioned)["status"] == "ok"
    assert versioned.sync()["objects_read"] == 0


def test_changed_says_that_the_recorded_version_is_still_there(versioned):
    before = json.dumps(reference(versioned)).encode() + b"\n"
    versioned.write("leave.md", NEW)
    said = outcome(versioned, code=3)
    assert said["status"] == "changed" and "still be read" in said["detail"]
    assert reference(versioned)["proof"] == "changed"
    # Exactly what was indexed, by key and by reference; the current version is never given instead.
    assert versioned.run("get", "leave.md", "--as-indexed", "--index", versioned.index).stdout == OLD
    assert versioned.run("get", "-", "--as-indexed", "--index", versioned.index, stdin=before).stdout == OLD
    versioned.sync()
    assert versioned.run("get", "leave.md", "--index", versioned.index).stdout == NEW
    assert versioned.run("get", "-", "--as-indexed", "--index", versioned.index, stdin=before).stdout == OLD


def test_a_delete_marker_is_gone(versioned):
    versioned.write("other.md", "Fenders protect the hull.\n")
    versioned.sync()
    versioned.remove("leave.md")
    said = outcome(versioned, code=3)
    assert said["status"] == "gone" and "still be read" in said["detail"]
    assert versioned.run("get", "leave.md", "--as-indexed", "--index", versioned.index).stdout == OLD
    assert versioned.sync()["deleted"] == 1


# The version itself was deleted: changed or gone as before, without a promise that does not hold.
@pytest.mark.parametrize("overwritten", [True, False])
def test_a_version_that_is_gone_for_good(versioned, overwritten):
    only, = versions(versioned)
    if overwritten:
        versioned.write("leave.md", NEW)
    versioned.s3.delete_object(Bucket=versioned.name, Key="docs/leave.md", VersionId=only)
    said = outcome(versioned, code=3)
    assert said["status"] == ("changed" if overwritten else "gone") and "still be read" not in said["detail"]
    done = versioned.run("get", "leave.md", "--as-indexed", "--index", versioned.index, code=3)
    assert done.stdout == b""


def test_a_bucket_without_versions_has_none(bucket):
    bucket.write("leave.md", OLD)
    bucket.sync()
    assert reference(bucket)["version_id"] == ""
    bucket.write("leave.md", NEW)
    assert outcome(bucket, code=3)["status"] == "changed"
    assert bucket.run("get", "leave.md", "--as-indexed", "--index", bucket.index, code=3).stdout == b""


MOST_LEFT = 4  # what the collection itself made noncurrent: heads of its fence


def noncurrent(bucket, of_the_probe=False):
    pages = bucket.s3.get_paginator("list_object_versions").paginate(Bucket=bucket.name, Prefix="index/")
    return sum(not version["IsLatest"] for page in pages for kind in ("Versions", "DeleteMarkers")
               for version in page.get(kind, []) if version["Key"].startswith("index/probe/") == of_the_probe)


@pytest.fixture
def worn(emulator, tmp_path):
    """An index with a past, in a bucket with versions. The emulator alone: versitygw refuses to create a key over its
    delete marker."""
    bucket = S3Bucket(emulator, tmp_path)
    bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(20):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")
    for turn in range(3):
        bucket.sync()
        bucket.write("7.txt", f"object 7 has changed in turn {turn}\n")
    bucket.sync()
    return bucket


def test_an_index_in_a_bucket_with_versions(worn):
    assert worn.ask("verify", "--full", "--index", worn.index)["clean"]
    assert worn.live_set() == worn.live_set_of_an_unbroken_run()


# What nobody sees costs money too.
def test_gc_deletes_by_version(worn):
    before = worn.live_set()
    assert noncurrent(worn) > MOST_LEFT
    with worn.later(3):
        worn.run("gc", "--index", worn.index)
    with worn.later(6):  # what the first one made old itself
        worn.run("gc", "--index", worn.index)
    assert noncurrent(worn) <= MOST_LEFT
    assert worn.live_set() == before and worn.ask("verify", "--full", "--index", worn.index)["clean"]


def test_gc_deletes_what_a_probe_left(worn):
    assert noncurrent(worn, of_the_probe=True)
    with worn.later(3):
        worn.run("gc", "--index", worn.index)
    assert not noncurrent(worn, of_the_probe=True)
