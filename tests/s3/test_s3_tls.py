"""TLS with the real server: whom the program trusts, and what it says of whom it does not."""
import pytest
from certificates import Authority
from s3_bucket import S3Bucket
from servers import Versitygw
from started import started


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"), "authority-of-tests")


@pytest.fixture(scope="module")
def secure(authority, tmp_path_factory):
    tls = authority.server("server", "IP:127.0.0.1")
    with started(lambda: Versitygw(tmp_path_factory.mktemp("secure"), tls)) as server:
        yield server


@pytest.fixture(scope="module")
def misnamed(authority, tmp_path_factory):
    tls = authority.server("misnamed", "DNS:elsewhere.test")
    with started(lambda: Versitygw(tmp_path_factory.mktemp("misnamed"), tls)) as server:
        yield server


def without_authority(bucket):
    for name in ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE"):
        bucket.environment.pop(name, None)


def test_the_right_authority_is_trusted(secure, tmp_path):
    bucket = S3Bucket(secure, tmp_path)
    bucket.write("leave.md", "Parental leave lasts twenty weeks.\n")
    assert bucket.sync()["indexed"] == 1  # AWS_CA_BUNDLE
    without_authority(bucket)
    found = bucket.search("parental leave", "--ca-file", secure.ca_file)
    assert found[0]["proof"] == "verified"


# Who the server is cannot be known: nothing is sent, and the message names the option that would help.
@pytest.mark.parametrize("wrong", ["system", "other"])
def test_another_authority_is_refused(secure, tmp_path, wrong):
    bucket = S3Bucket(secure, tmp_path)
    bucket.write("leave.md", "Parental leave lasts twenty weeks.\n")
    without_authority(bucket)
    options = () if wrong == "system" else ("--ca-file", Authority(tmp_path, "another-authority").certificate)
    error = bucket.ask("sync", bucket.source, *bucket.sync_options, *options, code=1)["error"]
    assert error["code"] == "denied" and "certificate" in error["message"]
    assert "--ca-file" in error["message"] + error["hint"]
    assert not bucket.keys()


def test_a_certificate_of_another_host_is_refused(misnamed, tmp_path):
    (tmp_path / "texts").mkdir()
    bucket = S3Bucket(misnamed, tmp_path, like=NoBucket)
    error = bucket.ask("sync", "texts", *bucket.sync_options, code=1)["error"]
    assert error["code"] == "denied" and "127.0.0.1" in error["message"]


class NoBucket:
    """boto3 could not make one: it refuses this server too."""

    name = "bucket-of-nobody"


def test_a_ca_file_that_cannot_be_read_is_named(secure, tmp_path):
    bucket = S3Bucket(secure, tmp_path)
    (tmp_path / "empty.pem").write_text("no certificate\n")
    for name in ("missing.pem", "empty.pem"):
        done = bucket.start("sync", bucket.source, *bucket.sync_options, "--ca-file", tmp_path / name)
        _, said = done.communicate(timeout=120)
        assert done.returncode in (1, 2) and name.encode() in said


# Plain HTTP to a server that speaks TLS, and the other way round, end with words and not with a wait.
def test_the_wrong_scheme_is_said(secure, tmp_path):
    bucket = S3Bucket(secure, tmp_path)
    bucket.environment["AWS_ENDPOINT_URL"] = secure.endpoint.replace("https", "http")
    error = bucket.ask("status", "--index", bucket.index, code=1)["error"]
    assert error["message"]
