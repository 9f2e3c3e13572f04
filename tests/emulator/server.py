"""The program kedge-s3-emulator for tests: started on a free port, asked under /_emulator/, ended."""
import json
import os
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

BUILD = os.environ.get("KEDGE_BUILD_DIR", "")
PROGRAM = os.environ.get("KEDGE_EMULATOR_BIN") or (str(Path(BUILD) / "kedge-s3-emulator") if BUILD else "")
ACCESS_KEY, SECRET_KEY = "emulator-key", "emulator-secret"
END_SECONDS = 20


class Emulator:
    """`with Emulator("--latency", "constant:30ms") as emulator:`; it also ends when its parent does."""

    def __init__(self, *flags, faults=None, access_key=ACCESS_KEY, secret_key=SECRET_KEY):
        self.access_key, self.secret_key = access_key, secret_key
        command = [PROGRAM, "--port", "0", "--access-key", access_key, "--secret-key", secret_key, "--stdin",
                   *map(str, flags)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        if not ready:
            raise RuntimeError(f"the emulator did not start: exit code {self.process.wait(END_SECONDS)}: {command}")
        self.about = json.loads(ready)
        self.endpoint, self.port = self.about["endpoint"], self.about["port"]
        if faults:
            self.script(*faults)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        """Ends it and returns its exit code."""
        if self.process.poll() is None:
            self.process.stdin.close()  # the end of its standard input is its end
            try:
                self.process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.process.stdout.close()
        return self.process.returncode

    def environment(self):
        """What AWS tools need to find it."""
        return {"AWS_ENDPOINT_URL_S3": self.endpoint, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_DEFAULT_REGION": self.about["region"],
                "AWS_REGION": self.about["region"]}

    def ask(self, method, path, content=None):
        body = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f"{self.endpoint}/_emulator/{path}", data=body, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refused:
            raise ValueError(json.load(refused)["error"]) from refused

    def script(self, *rules):
        """Adds fault rules: {"operation": "GetObject", "fault": "reset", "times": 1}, ..."""
        self.ask("POST", "faults", list(rules))

    def heal(self):
        self.ask("DELETE", "faults")

    def hits(self):
        return self.ask("GET", "faults")["hits"]

    def counts(self):
        return self.ask("GET", "counts")

    def records(self):
        return self.ask("GET", "records")

    def forget(self):
        self.ask("DELETE", "counts")

    def bucket(self, name, **options):
        self.ask("POST", "buckets", {"name": name, **options})

    def set(self, **settings):
        self.ask("POST", "settings", settings)

    def fill(self, bucket, count, prefix="", size=0, name="{number}"):
        self.ask("POST", "fill", {"bucket": bucket, "prefix": prefix, "count": count, "size": size, "name": name})

    def client(self, **config):
        """A boto3 client that repeats nothing."""
        import boto3  # only here, so that who needs no client needs no boto3
        from botocore.config import Config
        config = {"retries": {"max_attempts": 0, "mode": "standard"}, "s3": {"addressing_style": "path"},
                  "signature_version": "s3v4", **config}
        return boto3.session.Session().client(
            "s3", endpoint_url=self.endpoint, region_name=self.about["region"], aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key, config=Config(**config))
