"""Kedge signs as botocore does, and sends what botocore sends to the same address: AWS and every compatible store take
botocore's requests for granted, down to the odd key."""
import datetime
import hashlib
import json
import os
import random
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest, AWSResponse
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.utils import percent_encode

SEED = int(os.environ.get("KEDGE_SEED", "20260301"))
REQUESTS = 600
PROGRAM = Path(os.environ.get("KEDGE_BUILD_DIR", "build/dev")) / "sign_requests"
KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # of the S3 documentation
TOKENS = ["", "FwoGZXIvYXdzEXAMPLE//////////+token=="]

ODD_KEYS = ["a", "a b", "a+b", "a//b", "//a", "/", "a/../b", "../a", "..", ".", "./a", "a/./b", "a%20b", "%", "%zz", "%2F",
            "a?b=c&d", "a#b", "a=b", "a;b,c", "a:b@c", "~a-b_c.d", "!$'()*", "[a]{b}|^`\\", '"<>', "é", "日本語.txt", "😀/x",
            "e\u0301", "\u2028", "\x7f", "\x01\x1f", "a\tb", "a\nb", "a\r\nb", " leading", "trailing ", "trailing/", "a" * 900]


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch, tmp_path):
    """Neither this machine's profiles nor its environment may sign."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def ours(lines):
    """What Kedge makes of each line."""
    done = subprocess.run([PROGRAM], input="".join(json.dumps(line) + "\n" for line in lines), capture_output=True,
                          text=True, check=True)
    answers = done.stdout.splitlines()
    assert len(answers) == len(lines)
    return answers


def freeze(monkeypatch, when):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *args, **kwargs: when)


def line_of(operation, path, query, headers, token, when, region="us-east-1", service="s3", **more):
    return {"operation": operation, "method": "GET", "host": "bucket.example.com", "path_hex": path.hex(),
            "query": [[name.hex(), value.hex()] for name, value in query], "headers": headers, "region": region,
            "service": service, "time": when.strftime("%Y-%m-%dT%H:%M:%SZ"), "access_key_id": KEY_ID,
            "secret_access_key": SECRET, "session_token": token, "payload_hash": "", **more}


def random_bytes(source, most):
    """Any bytes, with those that encodings disagree about more often than their share."""
    odd = [b"/", b"//", b"..", b"+", b"%", b" ", b"=", b"&", b"~", b"*", "é".encode(), "字".encode(), b"\x00", b"\xff"]
    return b"".join(source.choice(odd) if source.random() < .5 else bytes([source.randrange(256)])
                    for _ in range(source.randrange(most)))


class Case:
    """One generated request, for both sides."""

    def __init__(self, source):
        self.method = source.choice(["GET", "PUT", "HEAD", "POST", "DELETE"])
        self.path = b"/" + random_bytes(source, 20)
        self.query = [(random_bytes(source, 6) or b"q", random_bytes(source, 8)) for _ in range(source.randrange(4))]
        names = ["range", "if-match", "x-amz-meta-a", "x-amz-meta-A-b", "content-type", "x-amz-copy-source"]
        values = ["bytes=0-9", '"etag"', " two  spaces ", "", "a,b", "tab\there"]
        self.headers = [[name, source.choice(values)] for name in names if source.random() < .3]
        self.body = random_bytes(source, 30)
        self.token = source.choice(TOKENS)
        self.region = source.choice(["us-east-1", "eu-central-1", "cn-north-1", "auto"])
        self.when = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc) + \
            datetime.timedelta(seconds=source.randrange(10 ** 8))
        self.seconds = source.choice([1, 60, 3600, 604800])

    def url(self):
        query = "&".join(percent_encode(n, safe="-_.~") + "=" + percent_encode(v, safe="-_.~") for n, v in self.query)
        return "https://bucket.example.com" + percent_encode(self.path, safe="/~") + ("?" + query if query else "")

    def request(self):
        request = AWSRequest(method=self.method, url=self.url(), data=self.body)
        for name, value in self.headers:
            request.headers[name] = value
        return request

    def line(self, operation):
        return line_of(operation, self.path, self.query, self.headers, self.token, self.when, self.region,
                       method=self.method, payload_hash=hashlib.sha256(self.body).hexdigest(), seconds=self.seconds)

    def keys(self):
        return Credentials(KEY_ID, SECRET, self.token or None)


def test_headers_are_those_of_botocore(monkeypatch):
    print("seed", SEED)
    source = random.Random(SEED)
    cases = [Case(source) for _ in range(REQUESTS)]
    for case, answer in zip(cases, ours([case.line("sign") for case in cases])):
        freeze(monkeypatch, case.when)
        request = case.request()
        botocore.auth.S3SigV4Auth(case.keys(), "s3", case.region).add_auth(request)
        assert answer == request.headers["Authorization"], (case.url(), case.headers)


def test_links_are_those_of_botocore(monkeypatch):
    print("seed", SEED)
    source = random.Random(SEED + 1)
    cases = [Case(source) for _ in range(REQUESTS)]
    for case in cases:
        case.query, case.body = [], b""  # botocore joins a query's values of one name there, and takes a body into it
    for case, answer in zip(cases, ours([case.line("presign") for case in cases])):
        freeze(monkeypatch, case.when)
        request = case.request()
        botocore.auth.S3SigV4QueryAuth(case.keys(), "s3", case.region, expires=case.seconds).add_auth(request)
        theirs = urlsplit(request.url).query
        assert sorted(answer.split("&")) == sorted(theirs.split("&")), (case.url(), case.headers)


def test_other_services_are_signed_as_botocore_does(monkeypatch):
    """STS, which roles come from."""
    when = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc)
    freeze(monkeypatch, when)
    body = b"Action=AssumeRole&Version=2011-06-15"
    for token in TOKENS:
        request = AWSRequest(method="POST", url="https://bucket.example.com/", data=body,
                             headers={"content-type": "application/x-www-form-urlencoded; charset=utf-8"})
        botocore.auth.SigV4Auth(Credentials(KEY_ID, SECRET, token or None), "sts", "eu-west-1").add_auth(request)
        line = line_of("sign", b"/", [], [["content-type", request.headers["content-type"]]], token, when, "eu-west-1",
                       "sts", method="POST", payload_hash=hashlib.sha256(body).hexdigest())
        assert ours([line]) == [request.headers["Authorization"]]


class Captured:
    """A boto3 client whose requests are kept and never sent."""

    def __init__(self, token="", **options):
        config = Config(signature_version="s3v4", retries={"total_max_attempts": 1}, **options.pop("config", {}))
        self.client = boto3.client("s3", aws_access_key_id=KEY_ID, aws_secret_access_key=SECRET,
                                   aws_session_token=token or None, config=config, **options)
        self.client.meta.events.register("before-send.s3", self.keep)
        self.request = None

    def keep(self, request, **_):
        self.request = request
        return AWSResponse(request.url, 200, {}, None)

    def get(self, bucket, key):
        try:
            self.client.get_object(Bucket=bucket, Key=key)
        except Exception:  # the answer that was made up is no answer
            if self.request is None:
                raise
        return self.request


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def test_a_real_client_signs_the_same():
    """The whole way of boto3, from key to header: not only its signing class."""
    lines, expected = [], []
    for token in TOKENS:
        captured = Captured(token, region_name="eu-west-1")
        for key in ODD_KEYS:
            request = captured.get("bucket", key)
            headers = {name.lower(): text(value) for name, value in request.headers.items()}
            authorization = headers["authorization"]
            names = authorization.split("SignedHeaders=")[1].split(",")[0].split(";")
            own = {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}
            when = datetime.datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
            query = [pair.partition("=") for pair in urlsplit(request.url).query.split("&") if pair]
            lines.append(line_of("sign", b"/" + key.encode(), [(n.encode(), v.encode()) for n, _, v in query],
                                 [[name, headers[name]] for name in names if name not in own], token, when, "eu-west-1",
                                 host=urlsplit(request.url).netloc, payload_hash=headers["x-amz-content-sha256"]))
            expected.append((key, authorization))
    for (key, authorization), answer in zip(expected, ours(lines)):
        assert answer == authorization, repr(key)


REGIONS = ["us-east-1", "eu-central-1", "cn-north-1", "us-gov-west-1", "us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1",
           "us-isof-south-1", "eusc-de-east-1"]
ARNS = ["arn:aws:s3:eu-west-1:123456789012:accesspoint/point", "arn:aws:s3:eu-west-1:123456789012:accesspoint:point",
        "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint/point"]
PLACES = [dict(region=region, bucket=bucket) for region in REGIONS for bucket in ["bucket", "dotted.bucket"]] + \
    [dict(region="eu-west-1", bucket="bucket", addressing="path"),
     dict(region="eu-west-1", bucket="bucket", addressing="virtual"),
     dict(region="eu-west-1", bucket="bucket", use_dualstack=True),
     dict(region="us-east-1", bucket="bucket", use_fips=True),
     dict(region="us-gov-west-1", bucket="bucket", use_fips=True, use_dualstack=True),
     dict(region="eu-west-1", bucket="bucket", endpoint="http://127.0.0.1:9000", addressing="path"),
     dict(region="eu-west-1", bucket="bucket", endpoint="https://store.example.com:8443/base/", addressing="path"),
     dict(region="eu-west-1", bucket="bucket", endpoint="https://store.example.com", addressing="virtual"),
     dict(region="eu-west-1", bucket="Old_Bucket")] + \
    [dict(region="cn-north-1" if "aws-cn" in arn else "us-east-1", bucket=arn) for arn in ARNS] + \
    [dict(region="eu-west-1", bucket=ARNS[0], use_dualstack=True), dict(region="eu-west-1", bucket=ARNS[0], use_fips=True)]


def test_requests_go_where_botocore_sends_them():
    lines, expected = [], []
    for place in PLACES:
        config = {"s3": {"addressing_style": place.get("addressing", "auto"), "us_east_1_regional_endpoint": "regional"},
                  "use_dualstack_endpoint": place.get("use_dualstack", False),
                  "use_fips_endpoint": place.get("use_fips", False)}
        captured = Captured(region_name=place["region"], endpoint_url=place.get("endpoint"), config=config)
        for key in ["a b/c", "é+"]:
            request = captured.get(place["bucket"], key)
            region = text(request.headers["Authorization"]).split("/")[2]
            lines.append({"operation": "endpoint", "addressing": "", "endpoint": "", "use_dualstack": False,
                          "use_fips": False, "key_hex": key.encode().hex(), **place})
            expected.append(f"{request.url} {region}")
    for line, answer, theirs in zip(lines, ours(lines), expected):
        assert answer == theirs, line
