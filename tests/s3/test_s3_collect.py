"""kedge gc in a bucket that holds a great many keys of others, each of which looks like one of the index's."""
import json
import signal
from concurrent.futures import ThreadPoolExecutor

import near_misses
from s3_bucket import S3Bucket

ORPHANS = {"seg/{hh}/{32}": 4_000, "del/{32}-{32}": 500, "tree/{32}": 500}
PLAIN_AGE_DAYS = 3  # older than any floor


def fill_with_orphans(bucket, counts):
    for name, count in counts.items():
        bucket.server.fill(bucket.name, "index/", count, 10, name)
    return sum(counts.values())


def everything(bucket):
    """Of the whole bucket: every key with the tag of its body."""
    pages = bucket.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket.name)
    return {entry["Key"]: entry["ETag"] for page in pages for entry in page.get("Contents", [])}


def every_version(bucket, keys):
    """Versions, delete markers and unfinished uploads of these keys."""
    found = set()
    for page in bucket.s3.get_paginator("list_object_versions").paginate(Bucket=bucket.name):
        found |= {(one["Key"], one["VersionId"], one["IsLatest"]) for kind in ("Versions", "DeleteMarkers")
                  for one in page.get(kind, []) if one["Key"] in keys}
    for page in bucket.s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket.name):
        found |= {(one["Key"], one["UploadId"]) for one in page.get("Uploads", []) if one["Key"] in keys}
    return found


def worn(emulator, tmp_path, versioned):
    bucket = S3Bucket(emulator, tmp_path)
    if versioned:
        bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    for number in range(10):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")
    bucket.sync()
    return bucket


def test_gc_takes_every_orphan_and_no_near_miss(emulator, tmp_path):
    bucket = worn(emulator, tmp_path, versioned=False)
    keys = everything(bucket)
    others = near_misses.names("index/", near_misses.cache_of(keys))[::2]
    near_misses.put(bucket.s3, bucket.name, others)
    before = everything(bucket)
    live = bucket.live_set()
    count = fill_with_orphans(bucket, ORPHANS)
    filled = everything(bucket)
    orphans = set(filled) - set(before)
    assert len(orphans) == count
    with bucket.later(PLAIN_AGE_DAYS):
        # A line of the plan for each key that is there, and one document for all.
        plan = bucket.ask("gc", "--index", bucket.index, "--dry-run")
        planned = {one["key"]: one for one in plan["keys"]}
        assert len(planned) == len(plan["keys"])
        assert {f"index/{key}" for key in planned} == {key for key in filled if key.startswith("index/")}
        goes = {f"index/{key}" for key, one in planned.items() if one["goes"]}
        assert orphans < goes and all(key.startswith("index/history/") and key in keys for key in goes - orphans)
        assert all(one["why"] for one in plan["keys"])
        assert plan["removed"] == len(goes) and plan["removed_bytes"] == sum(one["bytes"] for one in plan["keys"] if one["goes"])
        said = bucket.run("gc", "--index", bucket.index, "--dry-run").stdout.decode()
        assert said.count("\ngoes  ") + said.startswith("goes  ") == len(goes)
        done = bucket.ask("gc", "--index", bucket.index)
    assert done["removed"] == len(goes) and not done["stopped"] and "keys" not in done
    after = everything(bucket)
    assert not goes & set(after)
    assert all(after.get(key) == before[key] for key in set(before) - set(keys))
    assert all(after.get(key) == tag for key, tag in keys.items() if not near_misses.may_change(key, "index/"))
    assert bucket.live_set() == live and bucket.ask("verify", "--full", "--index", bucket.index)["clean"]


# What a bucket with versions keeps of another's keys is another's too: older versions, delete markers, uploads.
def test_gc_takes_no_version_of_a_near_miss(emulator, tmp_path):
    bucket = worn(emulator, tmp_path, versioned=True)
    keys = everything(bucket)
    others = near_misses.names("index/", near_misses.cache_of(keys))[1::6]
    near_misses.put(bucket.s3, bucket.name, others)
    hidden = others[::3]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: bucket.s3.put_object(Bucket=bucket.name, Key=key, Body=b"once more"), others[1::3]))
        list(pool.map(lambda key: bucket.s3.delete_object(Bucket=bucket.name, Key=key), hidden))
        list(pool.map(lambda key: bucket.s3.create_multipart_upload(Bucket=bucket.name, Key=key), others[2::30]))
    before, versions = everything(bucket), every_version(bucket, set(others))
    live = bucket.live_set()
    count = fill_with_orphans(bucket, {"seg/{hh}/{32}": 1_500})
    with bucket.later(PLAIN_AGE_DAYS):
        done = bucket.ask("gc", "--index", bucket.index)
    assert done["removed"] >= count and not done["stopped"] and not done["not_swept"]
    assert done["versions"] >= count  # each orphan for good
    assert every_version(bucket, set(others)) == versions
    after = everything(bucket)
    assert all(after.get(key) == before[key] for key in set(before) - set(keys))
    assert all(after.get(key) == tag for key, tag in keys.items() if not near_misses.may_change(key, "index/"))
    assert bucket.live_set() == live and bucket.ask("verify", "--full", "--index", bucket.index)["clean"]


# A collection that is killed has removed whole batches; the next one finds the rest.
def test_a_collection_that_is_killed_goes_on(emulator_alone, tmp_path):
    bucket = worn(emulator_alone, tmp_path, versioned=False)
    fill_with_orphans(bucket, ORPHANS)
    live = bucket.live_set()
    with bucket.later(PLAIN_AGE_DAYS):
        count = bucket.ask("gc", "--index", bucket.index, "--dry-run")["removed"]
        emulator_alone.misbehave({"fault": "stall", "operation": "DeleteObjects", "skip": 2, "times": 1})
        running = bucket.start("gc", "--index", bucket.index)
        emulator_alone.wait_for_faults()
        running.send_signal(signal.SIGKILL)
        running.communicate()
        emulator_alone.behave()
        assert bucket.ask("gc", "--index", bucket.index)["removed"] == count - 2_000
    assert bucket.live_set() == live and bucket.ask("verify", "--full", "--index", bucket.index)["clean"]


# The plan may be as long as the bucket: an error in its middle still ends one JSON document.
def test_a_plan_that_breaks_off_is_one_document(emulator_alone, tmp_path):
    bucket = worn(emulator_alone, tmp_path, versioned=False)
    fill_with_orphans(bucket, {"seg/{hh}/{32}": 2_500})
    emulator_alone.misbehave({"fault": "error", "operation": "ListObjectsV2", "status": 403, "code": "AccessDenied",
                              "message": "no more", "skip": 3})
    broken = json.loads(bucket.run("gc", "--index", bucket.index, "--dry-run", "--json", code=1).stdout)
    assert broken["error"]["code"] == "denied" and len(broken["keys"]) >= 1_000
