"""What each account may do, and what is said when it may not."""
import json

import pytest
from s3_bucket import S3Bucket

READ = ("s3:GetObject",)
LIST = ("s3:ListBucket",)
WRITE = (*READ, "s3:PutObject", "s3:DeleteObject")
USERS = {"reader": "reader-secret-of-tests", "writer": "writer-secret-of-tests"}


def statement(bucket, user, actions, effect="Allow", keys="*"):
    below = [f"arn:aws:s3:::{bucket}"] if actions == LIST else [f"arn:aws:s3:::{bucket}/{keys}"]
    return {"Effect": effect, "Principal": {"AWS": [user]}, "Action": list(actions), "Resource": below}


def permit(s3, bucket, *statements):
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))


def fill(bucket):
    bucket.write("leave.md", "# Leave\n\nParental leave lasts twenty weeks.\n")
    bucket.write("deep/pump.txt", "The bilge pump is reset with the red lever.\n")


def restrict(bucket, actions=READ, listing=True, denied=""):
    """From now on the bucket is used with keys that may do these on objects, but not read those below `denied`."""
    if bucket.server.name == "emulator":
        if actions == READ:
            bucket.server.add_reader("reader", USERS["reader"])
            bucket.log_in("reader", USERS["reader"])
        denials = [] if listing else [{"permission": "s3:ListBucket", "bucket": bucket.name}]
        if denied:
            denials += [{"permission": "s3:GetObject", "bucket": bucket.name, "prefix": denied}]
        bucket.server.change(denials=denials)
        return
    bucket.server.add_user("reader", USERS["reader"])
    permit(bucket.s3, bucket.name, statement(bucket.name, "reader", actions),
           *([statement(bucket.name, "reader", LIST)] if listing else []),
           *([statement(bucket.name, "reader", READ, "Deny", f"{denied}*")] if denied else []))
    bucket.log_in("reader", USERS["reader"])


def test_who_may_only_read_can_search(bucket):
    fill(bucket)
    bucket.sync()
    before = sorted(bucket.keys(""))
    restrict(bucket)
    best = bucket.search("reset the bilge pump")[0]
    assert best["key"] == "deep/pump.txt" and best["proof"] == "verified"
    assert bucket.run("get", "leave.md", "--index", bucket.index).stdout.startswith(b"# Leave")
    bucket.run("status", "--index", bucket.index)
    assert bucket.ask("verify", "--index", bucket.index)["clean"]
    # What writes is refused by the server, and that is what is said.
    bucket.write("new.txt", "Fenders protect the hull.\n")
    error = bucket.ask("sync", bucket.source, *bucket.sync_options, code=1)["error"]
    assert error["code"] == "denied" and bucket.name in error["message"]
    bucket.remove("new.txt")
    assert sorted(bucket.keys("")) == before


# The source's owner gives reading and listing away, and nothing is ever written there.
def test_a_source_that_may_only_be_read(versitygw, tmp_path):
    versitygw.add_user("writer", USERS["writer"])
    bucket = S3Bucket(versitygw, tmp_path)
    fill(bucket)
    own = f"{bucket.name}-own"
    bucket.s3.create_bucket(Bucket=own)
    permit(bucket.s3, bucket.name, statement(bucket.name, "writer", READ), statement(bucket.name, "writer", LIST))
    permit(bucket.s3, own, statement(own, "writer", WRITE),
           statement(own, "writer", LIST))
    bucket.log_in("writer", USERS["writer"])
    bucket.index, bucket.sync_options = f"s3://{own}/index", ("--index", f"s3://{own}/index")
    assert bucket.sync()["indexed"] == 2
    assert bucket.search("parental leave")[0]["key"] == "leave.md"


# One object that may not be read fails alone, by its key, and is read when it may be: after a while, or when it changed.
def test_a_denied_object_fails_alone(bucket):
    fill(bucket)
    restrict(bucket, WRITE, denied="docs/deep/")
    counts = bucket.ask("sync", bucket.source, *bucket.sync_options)["sources"][0]
    assert counts["indexed"] == 1 and counts["failed"] == 1 and counts["deleted"] == 0
    problem, = counts["problems"]
    assert problem["key"] == "deep/pump.txt" and "denied" in problem["reason"].lower()
    restrict(bucket, WRITE)
    if bucket.server.name == "emulator":
        with bucket.later(2):
            assert bucket.sync()["indexed"] == 2
    else:
        bucket.write("deep/pump.txt", "The bilge pump is reset with the blue lever.\n")
        assert bucket.sync()["indexed"] == 2


# An object that was indexed and may not be read any more is neither deleted nor shown as if it were proven.
def test_an_object_that_is_denied_now_stays(bucket):
    fill(bucket)
    bucket.sync()
    restrict(bucket, denied="docs/deep/")
    best = bucket.search("reset the bilge pump")[0]
    assert best["key"] == "deep/pump.txt" and best["proof"] == "denied" and best["snippet"] == ""
    assert bucket.ask("get", "deep/pump.txt", "--index", bucket.index, code=1)["outcomes"][0]["status"] == "denied"


# Each way of having no rights is told apart, with what to do about it. No secret is ever printed.
@pytest.mark.parametrize("change, said", [
    ({"AWS_SECRET_ACCESS_KEY": "not-the-secret-of-this-key"}, "SignatureDoesNotMatch"),
    ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId"),
    ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "credentials"),
])
def test_keys_that_do_not_fit(bucket, change, said):
    fill(bucket)
    for name, value in change.items():
        bucket.environment.pop(name, None)
        if value:
            bucket.environment[name] = value
    done = bucket.run("sync", bucket.source, *bucket.sync_options, "--debug", code=1)
    assert said in done.stderr.decode()
    for secret in (bucket.server.secret_key, "not-the-secret-of-this-key"):
        assert secret.encode() not in done.stderr + done.stdout
    assert not bucket.keys()


# Where listing is not permitted S3 answers 403 for what is not there: nothing can be proven absent, so nothing is deleted.
def test_without_listing_nothing_is_proven_absent(bucket):
    fill(bucket)
    bucket.sync()
    before = bucket.live_set()
    restrict(bucket, WRITE, listing=False)
    bucket.remove("leave.md")
    bucket.run("sync", bucket.source, *bucket.sync_options, code=1)
    assert bucket.live_set() == before
