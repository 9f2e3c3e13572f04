"""The emulator as a program, a fresh one a test."""
import pytest
from server import PROGRAM, Emulator


@pytest.fixture
def emulator():
    if not PROGRAM:
        pytest.fail("KEDGE_BUILD_DIR is not set: run ./dev test")
    with Emulator("--bucket", "bucket") as running:
        yield running
