"""The real program on real folders, with the embedder of tests."""
import pytest
from bucket import KEDGE, Bucket


@pytest.fixture
def bucket(tmp_path):
    if not KEDGE:
        pytest.fail("KEDGE_BIN is not set: run ./dev test")
    return Bucket(tmp_path)
