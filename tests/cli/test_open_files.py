"""Few files may be open: what can be done is done, what cannot fails and names the limit, and the next run finds nothing broken."""
import json
import resource
import subprocess

import pytest
from bucket import KEDGE, Bucket

ENOUGH = 32  # for everything, in a folder that is nested as deep as this one
LIMITS = [64, ENOUGH]
TOO_LOW = [12, 8, 6]


def run_within(bucket, limit, *arguments):
    """What a command ends with when `limit` files may be open, its three streams among them."""
    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    return subprocess.run([KEDGE, *map(str, arguments)], cwd=bucket.folder, env=bucket.environment, capture_output=True, timeout=60,
                          check=False, preexec_fn=lower)


@pytest.fixture
def filled(tmp_path):
    bucket = Bucket(tmp_path)
    for number in range(40):
        bucket.write(f"{number}.txt", f"object {number} of the bucket\n")
        bucket.write(f"a/b/c/d/e/{number}.txt", f"object {number} of the bucket, deep\n")
    bucket.write("secret.txt", "object that nobody may find\n")
    bucket.write(".gitignore", "secret.txt\n")
    lines = [json.dumps({"id": f"r{number}", "vector": [float(number), 1.0, 2.0]}) for number in range(100)]
    (tmp_path / "records.jsonl").write_text("\n".join(lines) + "\n")
    return bucket


def sanitized():
    """Whether the program checks itself: UBSan looks at memory through files of its own, and takes their lack for a bug."""
    return "libubsan" in subprocess.run(["ldd", KEDGE], capture_output=True, text=True, check=True).stdout


def commands(bucket):
    return [("sync", bucket.source, "--index", bucket.index, "--json"),
            ("search", "object 17 of the bucket", "--index", bucket.index, "--json"),
            ("import", "records.jsonl", "--index", "records.kedge", "--json"), ("gc", "--index", bucket.index, "--json")]


def test_a_low_limit_of_open_files_breaks_nothing(filled):
    failed = set()
    for limit in LIMITS if sanitized() else LIMITS + TOO_LOW:
        for command in commands(filled):
            done = run_within(filled, limit, *command)
            said = done.stderr.decode()
            if done.returncode in (0, 3):
                assert limit < ENOUGH or done.returncode == 0, (limit, command, said)
                continue
            failed.add(limit)
            assert limit < ENOUGH, (limit, command, said)
            assert done.returncode > 0, (limit, command, said)
            assert "ulimit -n" in said, (limit, command, said)
        if (filled.folder / filled.index / "head").exists():
            assert not any("secret" in key for key, *_ in filled.live_set()), limit
    assert failed or sanitized()  # else the limits are not as low as they must be to show anything
    filled.sync()
    assert filled.ask("verify", "--full", "--index", filled.index)["clean"]
    expected = {f"{number}.txt" for number in range(40)} | {f"a/b/c/d/e/{number}.txt" for number in range(40)}
    assert {key for key, *_ in filled.live_set()} >= expected
