"""The real program on buckets of real servers, with the embedder of tests.

`bucket` is a new bucket on each server in turn; what only one of them can show asks for `versitygw` or `emulator`.
"""
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "cli"))

from s3_bucket import S3Bucket  # noqa: E402
from servers import Emulator, Versitygw  # noqa: E402
from started import started  # noqa: E402


@pytest.fixture(scope="session")
def versitygw(tmp_path_factory):
    with started(lambda: Versitygw(tmp_path_factory.mktemp("versitygw"))) as server:
        yield server


@pytest.fixture(scope="session")
def emulator():
    with started(Emulator) as server:
        yield server


@pytest.fixture
def emulator_alone():
    """One that a test may script faults for, or ask what was requested of it."""
    with started(Emulator) as server:
        yield server


@pytest.fixture(params=["versitygw", "emulator"])
def server(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def bucket(server, tmp_path):
    return S3Bucket(server, tmp_path)
