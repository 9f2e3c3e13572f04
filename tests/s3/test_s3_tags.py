"""Tags of objects as metadata: on real servers, where a tag changes and nothing else does."""
import pytest

FILTER = ("--filter", 'team = "core" and exists(reviewed)')


def tag(bucket, key, **tags):
    bucket.s3.put_object_tagging(Bucket=bucket.name, Key=f"docs/{key}",
                                 Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]})


def found(bucket):
    return [hit["key"] for hit in bucket.search("reset the bilge pump", "--all", *FILTER)]


@pytest.fixture(name="tagged")
def _tagged(bucket):
    bucket.write("pump.txt", "The bilge pump is reset with the red lever.\n")
    bucket.write("leave.md", "# Leave\n\nParental leave lasts twenty weeks.\n")
    tag(bucket, "pump.txt", team="core", reviewed="2026-01")
    return bucket


def test_tags_are_filtered_by(tagged):
    tagged.sync()
    assert found(tagged) == []
    counts = tagged.sync("--tags")
    assert counts["rewritten"] == 2 and counts["chunks_embedded"] == 0
    assert found(tagged) == ["pump.txt"]
    assert tagged.sync()["objects_read"] == 0


def test_tags_that_changed_are_found_by_asking(tagged):
    tagged.sync("--tags")
    tag(tagged, "pump.txt", team="edge")
    tag(tagged, "leave.md", team="core", reviewed="2026-02")
    assert tagged.sync()["objects_read"] == 0, "no listing shows it"
    drift = tagged.ask("verify", "--full", "--index", tagged.index, code=3)
    assert {item["key"] for item in drift["sources"][0]["items"]} == {"pump.txt", "leave.md"}
    counts = tagged.sync("--refresh-tags")
    assert counts["rewritten"] == 2 and counts["chunks_embedded"] == 0
    assert found(tagged) == ["leave.md"]
    assert tagged.ask("verify", "--full", "--index", tagged.index)["clean"]


def test_without_the_right_nothing_is_lost(emulator, tmp_path):
    from s3_bucket import S3Bucket
    bucket = S3Bucket(emulator, tmp_path)
    bucket.write("pump.txt", "The bilge pump is reset with the red lever.\n")
    bucket.sync()
    emulator.change(denials=[{"permission": "s3:GetObjectTagging", "bucket": bucket.name}])
    error = bucket.ask("sync", bucket.source, *bucket.sync_options, "--tags", code=1)["error"]
    assert error["code"] == "denied" and "s3:GetObjectTagging" in error["message"]
    assert bucket.search("reset the bilge pump")[0]["proof"] == "verified"
    emulator.change(denials=[])
    assert bucket.sync()["rewritten"] == 1, "the source has tags from now on"
