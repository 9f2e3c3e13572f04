"""Objects and keys that buckets have and folders have not: each ends in a status that is said, and none stops the rest."""
import json
import urllib.request

import pytest
from s3_bucket import S3Bucket

KEYS = ["sp ace.txt", "ünïcode/ключ/日本.txt", "a+b.txt", "100%.txt", "per%20cent.txt", "q?mark&amp=1#hash.txt", "~tilde!*'().txt",
        "quote\".txt", "tab\there.txt", "back\\slash.txt", "semi;colon,comma.txt", "dot./x.txt", "$@=:.txt", "[glob]*.txt",
        "very/" + "deep/" * 40 + "x.txt", "trail .txt "]
# A server on a file system cannot keep these: names that fold into others, or that no file can have.
KEYS_OF_NO_FILE_SYSTEM = ["a//b.txt", "/lead.txt", "new\nline.txt", "car\rriage.txt", "./here.txt", "up/../x.txt", "..", "nul\x01.txt",
                          "l" * 1000 + ".txt", "\u202etxt.exe", "a/b", "a/b/c.txt"]


def test_keys_of_every_kind(bucket):
    keys = KEYS + (KEYS_OF_NO_FILE_SYSTEM if bucket.server.name == "emulator" else [])
    for number, key in enumerate(keys):
        bucket.write(key, f"The object of number {number} has an odd key.\n")
    counts = bucket.sync()
    assert counts["listed"] == len(keys)
    assert counts["indexed"] == len(keys), counts["problems"]
    found = {hit["key"]: hit for hit in bucket.search("the object has an odd key", "-k", 100, "--all")}
    assert set(found) == set(keys)
    for number, key in enumerate(keys):
        assert found[key]["proof"] == "verified", key
        reference = json.dumps(found[key]).encode() + b"\n"
        got = bucket.run("get", "-", "--index", bucket.index, stdin=reference)
        assert got.stdout == f"The object of number {number} has an odd key.\n".encode(), key
    # A second sync knows them all again, whatever way listings write them.
    again = bucket.sync()
    assert again["objects_read"] == 0 and again["deleted"] == 0
    shown = bucket.run("search", "the object has an odd key", "-k", 100, "--all", "--index", bucket.index).stdout
    assert b"\x01" not in shown and "\u202e".encode() not in shown


def reasons(bucket):
    detail = bucket.ask("status", "--detail", "--index", bucket.index)
    return {problem["key"]: problem["reason"] for problem in detail["sources"][0]["problems"]}


def test_folder_markers_and_empty_objects(bucket):
    bucket.write("folder/", b"")
    bucket.write("folder/leave.md", "Parental leave lasts twenty weeks.\n")
    bucket.write("empty.txt", b"")
    counts = bucket.sync()
    assert counts["listed"] == counts["indexed"] + counts["skipped"]
    assert counts["failed"] == counts["pending"] == 0
    assert "marker" in reasons(bucket)["folder/"]
    assert bucket.search("parental leave")[0]["key"] == "folder/leave.md"
    assert bucket.run("get", "empty.txt", "--index", bucket.index).stdout == b""
    assert bucket.sync()["objects_read"] == 0


# Archived: nothing is read, the reason is said, and what is restored is read then.
@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_objects_have_a_status(emulator, tmp_path, storage_class):
    bucket = S3Bucket(emulator, tmp_path)
    bucket.write("here.txt", "The bilge pump is reset with the red lever.\n")
    put(bucket, "cold.txt", "Fenders protect the hull.\n", storage_class)
    usage = bucket.ask("sync", bucket.source, *bucket.sync_options)
    counts = usage["sources"][0]
    assert counts["indexed"] == 1 and counts["skipped"] == 1 and usage["source_usage"]["reads"] == 1
    assert "archived" in reasons(bucket)["cold.txt"] and storage_class in reasons(bucket)["cold.txt"]
    put(bucket, "cold.txt", "Fenders protect the hull.\n", "STANDARD")
    assert bucket.sync()["indexed"] == 2


# Indexed first and archived later: search says so, get ends with its own status, and nothing is deleted.
def test_what_was_archived_after_it_was_indexed(emulator, tmp_path):
    bucket = S3Bucket(emulator, tmp_path)
    bucket.write("cold.txt", "Fenders protect the hull.\n")
    bucket.sync()
    put(bucket, "cold.txt", "Fenders protect the hull.\n", "GLACIER")
    best = bucket.search("fenders protect the hull")[0]
    assert best["proof"] not in ("verified", "changed", "gone") and best["snippet"] == ""
    assert "InvalidObjectState" in best["proof_detail"]
    assert bucket.ask("get", "cold.txt", "--index", bucket.index, code=1)["outcomes"][0]["status"] == "archived"
    assert bucket.sync()["deleted"] == 0


def put(bucket, key, text, storage_class):
    bucket.s3.put_object(Bucket=bucket.name, Key=f"docs/{key}", Body=text.encode(), StorageClass=storage_class)


# More than is indexed of one object: skipped by its size in the listing, without a read.
def test_a_large_object_is_not_read(bucket):
    bucket.write("large.txt", b"x" * 300_000)
    usage = bucket.ask("sync", bucket.source, *bucket.sync_options, "--max-object-size", "200KiB")
    assert usage["sources"][0]["skipped"] == 1 and usage["source_usage"]["reads"] == 0


# Objects that came in parts have an ETag that is no hash: it is a tag like any other.
def test_an_object_in_parts(bucket):
    body = b"".join(b"Line %d of an object that came in parts.\n" % number for number in range(160_000))
    key, s3 = "docs/parts.txt", bucket.s3
    upload = s3.create_multipart_upload(Bucket=bucket.name, Key=key)["UploadId"]
    parts = []
    for number, begin in enumerate(range(0, len(body), 5 << 20), 1):
        sent = s3.upload_part(Bucket=bucket.name, Key=key, UploadId=upload, PartNumber=number, Body=body[begin:begin + (5 << 20)])
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    s3.complete_multipart_upload(Bucket=bucket.name, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    bucket.write("small.txt", "The bilge pump is reset with the red lever.\n")
    counts = bucket.sync("--include", "*.txt")
    assert counts["indexed"] == 2 and bucket.sync()["objects_read"] == 0
    assert bucket.run("get", "parts.txt", "--index", bucket.index).stdout == body


# A link works for who has no keys, and only to what it names.
def test_a_presigned_link_is_read_by_anyone(bucket):
    bucket.write("sp ace+ü.txt", "Fenders protect the hull.\n")
    bucket.sync()
    shown = bucket.run("get", "sp ace+ü.txt", "--presign", "15m", "--index", bucket.index).stdout.decode().strip()
    with urllib.request.urlopen(shown, timeout=60) as answer:
        assert answer.read() == b"Fenders protect the hull.\n"
    assert bucket.server.secret_key not in shown
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(shown.replace("sp%20ace", "other"), timeout=60)
    assert refused.value.code == 403
