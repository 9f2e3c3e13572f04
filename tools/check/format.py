"""Checks that C++ is as clang-format 14 writes it (.clang-format). --fix formats in place."""
import subprocess
import sys

from _files import ROOT, files

sources = [str(path) for path in files(".h", ".cc")]
mode = ["-i"] if "--fix" in sys.argv else ["--dry-run", "-Werror", "--ferror-limit=3"]
sys.exit(subprocess.run(["clang-format-14", *mode, *sources], cwd=ROOT).returncode if sources else 0)
