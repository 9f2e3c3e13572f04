"""Checks that the table of docs/stores.md has the tests of the conformance suite; ./dev stores writes it."""
import subprocess
import sys

from _files import ROOT

sys.exit(subprocess.run([sys.executable, ROOT / "tools/stores.py", "--lint"]).returncode)
