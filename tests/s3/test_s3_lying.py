"""Stores that do not do what they say are refused before they lose a commit, by the name of the check that failed."""
import pytest
from s3_bucket import S3Bucket

# (what the emulator does, the check that finds it)
LIES = [
    ({"fault": "ignore_conditions"}, "create twice"),
    ({"fault": "ignore_conditions_in_races", "ms": 30}, "race of"),
    ({"fault": "allow_if_match_on_missing"}, "If-Match on a missing key"),
    ({"fault": "stale_reads", "requests": 1, "operation": "PutObject"}, "read after write"),
    ({"fault": "stale_lists", "requests": 1, "operation": "PutObject"}, "list after write"),
    ({"fault": "ignore_range", "operation": "GetObject"}, "range"),
]


@pytest.mark.parametrize("lie, check", LIES)
def test_a_lying_store_is_refused_by_the_name_of_the_check(emulator_alone, tmp_path, lie, check):
    bucket = S3Bucket(emulator_alone, tmp_path)
    bucket.write("leave.md", "Parental leave lasts twenty weeks.\n")
    emulator_alone.misbehave(lie)
    error = bucket.ask("sync", bucket.source, *bucket.sync_options, code=1)["error"]
    assert check in error["message"], error
    assert not any(key.endswith("/head") for key in bucket.keys())


# Somebody else's index on a store that lies to us now: reading goes on, writing does not.
def test_a_reader_goes_on(emulator_alone, tmp_path):
    bucket = S3Bucket(emulator_alone, tmp_path)
    bucket.write("leave.md", "Parental leave lasts twenty weeks.\n")
    bucket.sync()
    emulator_alone.misbehave({"fault": "ignore_conditions"})
    assert bucket.search("parental leave")[0]["proof"] == "verified"


# An honest store is asked once: the next writer finds the result, and the races are not run again.
def test_the_probe_is_not_repeated(emulator_alone, tmp_path):
    bucket = S3Bucket(emulator_alone, tmp_path)
    bucket.write("leave.md", "Parental leave lasts twenty weeks.\n")
    bucket.sync()
    probed = [record for record in emulator_alone.records() if record["operation"] == "PutObject"
              and record["key"].startswith("index/probe/")]
    assert len(probed) > 8 * 20  # writers and rounds of each race
    emulator_alone.program.forget()
    bucket.write("new.md", "Fenders protect the hull.\n")
    bucket.sync()
    assert not [record for record in emulator_alone.records() if record["operation"] in ("PutObject", "DeleteObjects")
                and record["key"].startswith("index/probe/")]
