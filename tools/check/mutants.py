"""Checks that every mutant of tools/mutants.toml still applies to the sources; ./dev mutants runs them."""
import subprocess
import sys

from _files import ROOT

sys.exit(subprocess.run([sys.executable, ROOT / "tools/mutants.py", "--lint"]).returncode)
