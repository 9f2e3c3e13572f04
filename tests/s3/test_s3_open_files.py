"""Few files may be open: connections are open files, and those that are kept must not be in the way of all others."""
import resource
import subprocess

import pytest
from bucket import KEDGE
from s3_bucket import S3Bucket

OBJECTS = 150  # more than are read at once


@pytest.mark.parametrize("limit", [128, 24])
def test_a_bucket_is_synced_with_few_open_files(emulator_alone, tmp_path, limit):
    bucket = S3Bucket(emulator_alone, tmp_path)
    for number in range(OBJECTS):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")
    emulator_alone.change(latency="constant:10ms")  # so that requests are under way together

    def within(*arguments):
        return subprocess.run([KEDGE, *arguments], cwd=bucket.folder, env=bucket.environment, capture_output=True, timeout=90, check=False,
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit)))

    for command in (("sync", bucket.source), ("search", "object 17 of the bucket"), ("gc",)):
        done = within(*command, "--index", bucket.index, "--json")
        assert done.returncode == 0, (command, done.stderr[-2000:])
    assert {key for key, *_ in bucket.live_set()} == {f"{number}.txt" for number in range(OBJECTS)}
    assert bucket.ask("verify", "--full", "--index", bucket.index)["clean"]
