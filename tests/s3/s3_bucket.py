"""A bucket of raw objects with an index in it, and what the real program does with it: bucket.py of tests/cli on S3."""
import contextlib
import itertools
import os

from bucket import YESTERDAY, Bucket

_numbers = itertools.count(1)


class S3Bucket(Bucket):
    """The objects lie below docs/ of a bucket of its own, the index below index/ of the same; of another bucket where the
    objects have versions, because versitygw refuses to create a key over its delete marker."""

    def __init__(self, server, folder, model="test:64", versioned=False, like=None):
        """`like`: the same objects and index as that one has, seen from another home."""
        super().__init__(folder, model)
        self.server = server
        self.name = like.name if like else f"bucket-{next(_numbers)}"
        self.s3 = server.client()
        if not like:
            self.s3.create_bucket(Bucket=self.name)
            if versioned:
                self.s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        self.index_bucket = f"{self.name}-index" if versioned else self.name
        if versioned and not like:
            self.s3.create_bucket(Bucket=self.index_bucket)
        self.source, self.index = f"s3://{self.name}/docs", f"s3://{self.index_bucket}/index"
        self.sync_options = ("--index", self.index)
        own = ("XDG_STATE_HOME", "XDG_CACHE_HOME", "KEDGE_MODEL", "NO_COLOR", "HOME")
        self.environment = {**server.environment(), **{name: self.environment[name] for name in own}}
        for name in [name for name in self.environment if name in ("KEDGE_INDEX", "KEDGE_CACHE")]:
            del self.environment[name]

    def log_in(self, access_key, secret_key):
        """From now on the program is somebody else; boto3 stays the owner."""
        self.environment = {**self.environment, **self.server.environment(access_key, secret_key),
                            **{name: self.environment[name] for name in ("XDG_STATE_HOME", "XDG_CACHE_HOME", "HOME")}}

    def write(self, key, content, age=YESTERDAY):  # S3 says itself how old an object is
        body = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.name, Key=f"docs/{key}", Body=body)

    def remove(self, key):
        self.s3.delete_object(Bucket=self.name, Key=f"docs/{key}")

    def keys(self, prefix="index/"):
        """Of the bucket that holds the index."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.index_bucket, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    @contextlib.contextmanager
    def later(self, days):
        """As if so many days had passed. The files of versitygw stay older; the emulator's clock comes back."""
        if self.server.name == "emulator":
            self.server.change(clock_offset_seconds=days * 86400)
            yield
            self.server.change(clock_offset_seconds=0)
            return
        for path in (self.server.data / self.index_bucket).rglob("*"):
            if path.is_file():
                os.utime(path, (path.stat().st_mtime - days * 86400,) * 2)
        yield
