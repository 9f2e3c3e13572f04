"""boto3 as the reference client: what it asks and expects of S3, the emulator must do."""
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, HTTPClientError
from server import Emulator

PROBE = Path(__file__).resolve().parents[2].parent / "shared/tools/check_s3.py"
PROBE_SECONDS = 600
ODD_KEYS = ["plain", "with space", "a+b", "100%", "pct%20enc", "\u00fcn\u00efc\u00f6de-\u65e5\u672c-\U0001f600",
            "q?a=b&c#d", "'\"<>;:@=,$", "tab\tx", "new\nline", "back\\slash", "star*", "~tilde", "a//b", "/front",
            "dot/./../dot", "end/"]


def code_of(call, **arguments):
    """(status, code) of what a call was refused with."""
    with pytest.raises(ClientError) as refused:
        call(**arguments)
    response = refused.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_the_probe_of_s3_passes(emulator):
    """One program judges every store, this one too; with --strict no capability is optional."""
    if not PROBE.is_file():
        pytest.skip(f"NOT RUN: the probe {PROBE.name} is not beside this repository, in ../shared/tools")
    done = subprocess.run([sys.executable, PROBE, "--endpoint", emulator.endpoint, "--access-key", emulator.access_key,
                           "--secret-key", emulator.secret_key, "--strict", "--perf-seconds", "1"],
                          capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 failed" in done.stdout


def test_keys_with_every_odd_byte(emulator):
    """A key is bytes: what is put under it comes back under it, alone, listed and deleted."""
    s3 = emulator.client()
    for key in ODD_KEYS:
        s3.put_object(Bucket="bucket", Key=key, Body=key.encode(), Metadata={"of": "one"})
        got = s3.get_object(Bucket="bucket", Key=key)
        assert got["Body"].read() == key.encode(), key
        assert got["Metadata"] == {"of": "one"}
    for version in ("list_objects_v2", "list_objects"):
        pages = s3.get_paginator(version).paginate(Bucket="bucket", PaginationConfig={"PageSize": 3})
        listed = [one["Key"] for page in pages for one in page["Contents"]]
        assert listed == sorted(ODD_KEYS, key=str.encode), version
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": key} for key in ODD_KEYS if key != "new\nline"]})
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="bucket")["Contents"]] == ["new\nline"]


def test_tags_are_of_a_version_and_change_no_time(emulator):
    s3 = emulator.client()
    s3.put_object(Bucket="bucket", Key="k", Body=b"x", Tagging="team=core&a+b=c%26d")
    before = s3.head_object(Bucket="bucket", Key="k")
    assert s3.get_object(Bucket="bucket", Key="k")["TagCount"] == 2
    assert s3.get_object_tagging(Bucket="bucket", Key="k")["TagSet"] == [{"Key": "team", "Value": "core"},
                                                                         {"Key": "a b", "Value": "c&d"}]
    s3.put_object_tagging(Bucket="bucket", Key="k", Tagging={"TagSet": [{"Key": "state", "Value": "<final>"}]})
    assert s3.get_object_tagging(Bucket="bucket", Key="k")["TagSet"] == [{"Key": "state", "Value": "<final>"}]
    after = s3.head_object(Bucket="bucket", Key="k")
    assert (after["ETag"], after["LastModified"]) == (before["ETag"], before["LastModified"])
    s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/k")
    assert s3.get_object_tagging(Bucket="bucket", Key="copy")["TagSet"][0]["Value"] == "<final>"
    s3.delete_object_tagging(Bucket="bucket", Key="k")
    assert s3.get_object_tagging(Bucket="bucket", Key="k")["TagSet"] == []
    twice = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert code_of(s3.put_object_tagging, Bucket="bucket", Key="k", Tagging=twice) == (400, "InvalidTag")
    assert code_of(s3.get_object_tagging, Bucket="bucket", Key="none") == (404, "NoSuchKey")


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA256", "SHA1"])
def test_uploads_of_the_transfer_manager(emulator, algorithm):
    """What most programs use to upload: streams, parts, and checksums of each kind."""
    from boto3.s3.transfer import TransferConfig
    s3, body = emulator.client(), os.urandom(11 << 20)
    config = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(body), "bucket", "large", Config=config, ExtraArgs={"ChecksumAlgorithm": algorithm})
    assert s3.head_object(Bucket="bucket", Key="large")["ETag"].endswith('-3"')
    into = io.BytesIO()
    s3.download_fileobj("bucket", "large", into, Config=config)
    assert into.getvalue() == body
    assert emulator.counts()["UploadPart"]["requests"] == 3


def test_versions_of_a_versioned_bucket(emulator):
    """Delete markers hide and do not remove; a version goes by its id alone; pages end between versions."""
    s3 = emulator.client()
    emulator.bucket("versioned", versioned=True)
    ids = [s3.put_object(Bucket="versioned", Key=key, Body=b"%d" % i)["VersionId"] for i, key in enumerate("aaabb")]
    marker = s3.delete_object(Bucket="versioned", Key="a")
    assert marker["DeleteMarker"] and marker["VersionId"] not in ids
    assert code_of(s3.get_object, Bucket="versioned", Key="a") == (404, "NoSuchKey")
    assert s3.get_object(Bucket="versioned", Key="a", VersionId=ids[1])["Body"].read() == b"1"
    of_marker = {"Bucket": "versioned", "Key": "a", "VersionId": marker["VersionId"]}
    assert code_of(s3.get_object, **of_marker) == (405, "MethodNotAllowed")
    found = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket="versioned", PaginationConfig={"PageSize": 2}):
        found += [(one["Key"], one["VersionId"]) for one in page.get("Versions", [])]
        found += [(one["Key"], one["VersionId"]) for one in page.get("DeleteMarkers", [])]
    assert sorted(found) == sorted([*zip("aaabb", ids), ("a", marker["VersionId"])])
    s3.delete_object(Bucket="versioned", Key="a", VersionId=marker["VersionId"])
    assert s3.get_object(Bucket="versioned", Key="a")["Body"].read() == b"2"
    s3.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Suspended"})
    assert s3.put_object(Bucket="versioned", Key="a", Body=b"null")["VersionId"] == "null"
    assert s3.put_object(Bucket="versioned", Key="a", Body=b"null again")["VersionId"] == "null"
    left = s3.list_object_versions(Bucket="versioned", Prefix="a")["Versions"]
    assert [one["VersionId"] for one in left] == ["null", ids[2], ids[1], ids[0]]
    assert code_of(s3.delete_bucket, Bucket="versioned") == (409, "BucketNotEmpty")


def test_what_may_not_be_listed_is_not_told_to_be_absent(emulator):
    """Without s3:ListBucket S3 answers 403 for what is missing: nothing can be proven absent."""
    s3 = emulator.client()
    s3.put_object(Bucket="bucket", Key="hidden/there", Body=b"x")
    emulator.set(denials=[{"permission": "s3:ListBucket", "bucket": "bucket", "prefix": "hidden/"}])
    assert s3.get_object(Bucket="bucket", Key="hidden/there")["Body"].read() == b"x"
    assert code_of(s3.get_object, Bucket="bucket", Key="hidden/gone") == (403, "AccessDenied")
    assert code_of(s3.head_object, Bucket="bucket", Key="hidden/gone")[0] == 403
    assert code_of(s3.get_object, Bucket="bucket", Key="seen/gone") == (404, "NoSuchKey")
    assert code_of(s3.list_objects_v2, Bucket="bucket", Prefix="hidden/") == (403, "AccessDenied")
    assert s3.list_objects_v2(Bucket="bucket", Prefix="seen/")["KeyCount"] == 0


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_archived_objects_are_listed_but_not_read(emulator, storage_class):
    s3 = emulator.client()
    s3.put_object(Bucket="bucket", Key="old", Body=b"x", StorageClass=storage_class)
    assert s3.list_objects_v2(Bucket="bucket")["Contents"][0]["StorageClass"] == storage_class
    assert s3.head_object(Bucket="bucket", Key="old")["StorageClass"] == storage_class
    assert code_of(s3.get_object, Bucket="bucket", Key="old") == (403, "InvalidObjectState")


def test_buckets_and_their_settings(emulator):
    s3 = emulator.client()
    s3.create_bucket(Bucket="mine")
    assert code_of(s3.create_bucket, Bucket="mine") == (409, "BucketAlreadyOwnedByYou")
    assert code_of(s3.list_objects_v2, Bucket="none-such") == (404, "NoSuchBucket")
    assert {one["Name"] for one in s3.list_buckets()["Buckets"]} == {"bucket", "mine"}
    assert s3.head_bucket(Bucket="mine")["BucketRegion"] == "us-east-1"
    assert s3.get_bucket_location(Bucket="mine").get("LocationConstraint") is None
    assert "Status" not in s3.get_bucket_versioning(Bucket="mine")
    missing = (404, "ObjectLockConfigurationNotFoundError")
    assert code_of(s3.get_object_lock_configuration, Bucket="mine") == missing
    s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    lock = s3.get_object_lock_configuration(Bucket="locked")["ObjectLockConfiguration"]
    assert lock["ObjectLockEnabled"] == "Enabled"
    assert s3.get_bucket_versioning(Bucket="locked")["Status"] == "Enabled"
    assert code_of(s3.get_bucket_acl, Bucket="mine") == (501, "NotImplemented")
    s3.delete_bucket(Bucket="mine")


def test_multipart_uploads_refuse_what_s3_refuses(emulator):
    s3 = emulator.client()
    upload = s3.create_multipart_upload(Bucket="bucket", Key="k")["UploadId"]
    where = {"Bucket": "bucket", "Key": "k", "UploadId": upload}
    tags = [s3.upload_part(**where, PartNumber=number, Body=b"small")["ETag"] for number in (1, 2)]

    def parts(*numbers):
        return {"Parts": [{"PartNumber": one, "ETag": tags[one - 1] if one < 3 else "x"} for one in numbers]}

    complete = s3.complete_multipart_upload
    assert code_of(complete, **where, MultipartUpload=parts(1, 2)) == (400, "EntityTooSmall")
    assert code_of(complete, **where, MultipartUpload=parts(2, 1)) == (400, "InvalidPartOrder")
    assert code_of(complete, **where, MultipartUpload=parts(3)) == (400, "InvalidPart")
    assert [one["PartNumber"] for one in s3.list_parts(**where)["Parts"]] == [1, 2]
    complete(**where, MultipartUpload=parts(2))
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"small"
    assert code_of(complete, **where, MultipartUpload=parts(2)) == (404, "NoSuchUpload")


def test_faults_while_it_runs(emulator):
    """Scripts come and go over HTTP, hits are counted, and an error inside of a 200 is an error to boto3."""
    s3 = emulator.client()
    emulator.script({"operation": "PutObject", "fault": "error", "status": 503, "code": "SlowDown", "times": 1},
                    {"operation": "GetObject", "fault": "short_body", "bytes": 2},
                    {"operation": "CopyObject", "fault": "error_in_ok", "code": "InternalError"})
    assert code_of(s3.put_object, Bucket="bucket", Key="k", Body=b"abc") == (503, "SlowDown")
    s3.put_object(Bucket="bucket", Key="k", Body=b"abc")
    with pytest.raises(Exception, match="(?i)incomplete|bytes"):
        s3.get_object(Bucket="bucket", Key="k")["Body"].read()
    assert code_of(s3.copy_object, Bucket="bucket", Key="c", CopySource="bucket/k")[1] == "InternalError"
    assert emulator.hits() == [1, 1, 1]
    emulator.heal()
    assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == b"abc"
    asked = [one["operation"] for one in emulator.records()]
    assert asked == ["PutObject", "PutObject", "GetObject", "CopyObject", "GetObject"]
    with pytest.raises(ValueError, match="fault rule 0"):
        emulator.script({"fault": "no such"})


def test_a_filled_bucket_is_listed_whole(emulator):
    """Made-up objects are objects: paged, read in ranges, of any size without the memory for it."""
    s3 = emulator.client()
    emulator.fill("bucket", 25_000, prefix="p/", size=5 << 30)
    pages = list(s3.get_paginator("list_objects_v2").paginate(Bucket="bucket", Prefix="p/"))
    assert len(pages) == 25 and sum(page["KeyCount"] for page in pages) == 25_000
    last = pages[-1]["Contents"][-1]
    assert (last["Key"], last["Size"]) == ("p/0000024999", 5 << 30)
    end = s3.get_object(Bucket="bucket", Key=last["Key"], Range=f"bytes={(5 << 30) - 10}-")
    assert len(end["Body"].read()) == 10 and end["ContentRange"].endswith(f"/{5 << 30}")


def test_made_up_names_have_a_shape(emulator):
    s3 = emulator.client()
    emulator.fill("bucket", 300, prefix="i/", name="seg/{hh}/{32}-{number}")
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]]
    assert len(set(keys)) == 300
    for key in keys:
        assert re.fullmatch(r"i/seg/([0-9a-f]{2})/\1[0-9a-f]{30}-0000000[0-9]{3}", key), key


def test_the_program_ends_and_says_what_is_wrong(emulator, tmp_path):
    s3 = emulator.client()
    assert emulator.stop() == 0
    with pytest.raises((EndpointConnectionError, HTTPClientError)):
        s3.list_buckets()
    bad = tmp_path / "faults.json"
    bad.write_text('[{"fault": "no such"}]')
    for flags in (["--faults", bad], ["--latency", "soon"], ["--port", "x"], ["--no-such", "1"], ["--host", "nowhere"]):
        with pytest.raises(RuntimeError, match="exit code [12]"):
            Emulator(*flags)
