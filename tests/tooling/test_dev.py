"""./dev installs what it downloads whole, or not at all, and only what is pinned."""
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

from dev import setup, versitygw  # noqa: E402
from dev.base import Failure  # noqa: E402


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes programs that are found first."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name, script):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
        return str(folder / name)
    return make


def wheel_of(folder):
    path = folder / "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        tool = zipfile.ZipInfo("thing/bin/tool")
        tool.external_attr = 0o755 << 16
        archive.writestr(tool, "#!/bin/sh\n")
        archive.writestr("thing/text", "no program\n")
    return path


@pytest.fixture
def pip_that_copies(tmp_path, monkeypatch):
    """In place of pip: a program that puts one wheel where pip would."""
    copy = f"import shutil, sys; shutil.copytree({str(tmp_path / 'kept')!r}, sys.argv[sys.argv.index('--dest') + 1])"
    (tmp_path / "kept").mkdir()
    monkeypatch.setattr(setup, "pip", lambda: [sys.executable, "-c", copy])
    return wheel_of(tmp_path / "kept")


def test_a_wheel_is_unpacked_with_its_modes(tmp_path, pip_that_copies):
    sha256 = hashlib.sha256(pip_that_copies.read_bytes()).hexdigest()
    (tmp_path / "scratch").mkdir()
    tree = setup.download_wheel("thing==1", sha256, [], tmp_path / "scratch")
    assert os.access(tree / "thing/bin/tool", os.X_OK) and not (tree / "thing/text").stat().st_mode & 0o111


# A registry that answers with another file must not get it run.
def test_a_wheel_of_another_hash_is_refused(tmp_path, pip_that_copies):
    (tmp_path / "scratch").mkdir()
    with pytest.raises(Failure, match="expected " + "0" * 64):
        setup.download_wheel("thing==1", "0" * 64, [], tmp_path / "scratch")
    assert not (tmp_path / "scratch/tree").exists()


# The machine's Go is used if it can build the server, and never made to fetch another one.
@pytest.mark.parametrize("said, used", [
    ("go version go1.25.0 linux/amd64", True), ("go version go1.26.8 linux/amd64", True), ("go version go1.25 linux/amd64", True),
    ("go version go2.0 linux/amd64", True), ("go version go1.24.11 linux/amd64", False), ("go version go1.9 linux/amd64", False),
    ("no such thing", False)])
def test_which_go_is_used(program, said, used):
    go = program("go", f'[ "$GOTOOLCHAIN" = local ] && echo "{said}"')
    assert versitygw.go_of_machine() == (go if used else None)


# Every source of the server is pinned by what the program says it was made of; a failed build leaves nothing behind.
@pytest.mark.parametrize("install, said", [("exit 1", "failed"), ('echo > "$GOBIN/versitygw"', "other modules than expected")])
def test_a_server_that_is_not_the_pinned_one_is_refused(program, tmp_path, monkeypatch, install, said):
    program("go", f"""
case "$1 $2" in
  "version ") echo go version go1.26.0 linux/amd64 ;;
  "version -m") printf '%s\\n' 'versitygw: go1.26.0' '\tmod\tother\tv1.8.0\th1:x' ;;
  *) mkdir -p "$GOBIN"; {install} ;;
esac""")
    monkeypatch.setattr(versitygw, "CACHE", tmp_path / "cache")
    with pytest.raises(Failure, match=said):
        versitygw.install()
    assert list((tmp_path / "cache").iterdir()) == []


def test_help_names_every_command():
    shown = subprocess.run([ROOT / "dev", "--help"], capture_output=True, text=True, check=True).stdout
    for command in ("setup", "build", "test", "check", "demo", "run", "bench", "fuzz", "sim", "mutants", "soak", "stores", "package"):
        assert f"\n    {command} " in shown, command
        assert "example: ./dev" in subprocess.run([ROOT / "dev", command, "--help"], capture_output=True, text=True,
                                                 check=True).stdout
