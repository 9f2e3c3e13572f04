"""The files that checks look at: what git tracks or would track, relative to the root of the repository."""
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def files(*suffixes):
    """Paths with one of these suffixes (all, if none is given) that exist, sorted."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            capture_output=True, check=True).stdout.decode().split("\0")
    paths = sorted({Path(name) for name in listed if name})
    return [path for path in paths if (not suffixes or path.suffix in suffixes) and (ROOT / path).is_file()]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def finish(problems):
    """Prints the problems and ends with 1 if there are any."""
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
