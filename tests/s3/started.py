"""A server for tests, or a skip that says what is missing."""
import pytest
from bucket import KEDGE
from servers import Unavailable


def started(make):
    if not KEDGE:
        pytest.fail("KEDGE_BIN is not set: run ./dev test")
    try:
        return make()
    except Unavailable as missing:
        pytest.skip(f"SKIPPED: {missing}")
