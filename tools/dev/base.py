"""What every part of ./dev stands on: the folders, messages, and commands that are run."""
import os
import shlex
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
CACHE = Path(os.environ.get("KEDGE_DOWNLOADS") or
             Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kedge").absolute()
CORES = len(os.sched_getaffinity(0))


class Failure(Exception):
    """A message for the person at the terminal; exit code 1."""


def say(text):
    print(text, flush=True)


def run(command, env=None, cwd=ROOT, quiet=False, check=True):
    """Runs a command; with quiet its output is shown only when it fails. Returns the exit code."""
    command = [str(part) for part in command]
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} if quiet else {}
    done = subprocess.run(command, cwd=cwd, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL,
                          text=True, errors="replace", **output)
    if done.returncode != 0 and quiet:
        say(done.stdout.rstrip())
    if done.returncode != 0 and check:
        raise Failure(f"failed ({done.returncode}): {shlex.join(command)}")
    return done.returncode
