#!/usr/bin/env python3
"""Makes build/package/kedge-VERSION-linux-x86_64.tar.gz: the program, every shared library beyond the C library, and
the model, so that it runs where nothing is installed.

    bin/kedge                 finds its libraries by RPATH ($ORIGIN/../lib)
    lib/                      what ldd lists, and what OpenVINO loads at run time
    share/kedge/model/        all-MiniLM-L6-v2
    share/doc/kedge/          README, LICENSE, and the licence of everything bundled

--try unpacks it in a bare Debian 12 (debootstrap, kept in the cache folder), without a network, and indexes and
searches a folder there. ./dev package builds the release first and sets the environment that this needs.
"""
import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE, BUILD = Path(os.environ["KEDGE_CACHE"]), Path(os.environ["KEDGE_BUILD"])
OPENVINO, MODEL = Path(os.environ["KEDGE_OPENVINO_DIR"]), Path(os.environ["KEDGE_MODEL_DIR"])
OUT = BUILD / "package"
TRY_LIMIT_SECONDS = 120

# What OpenVINO loads by name when it needs it, so that ldd cannot know.
LOADED_AT_RUN_TIME = ["libopenvino_intel_cpu_plugin.so", "libopenvino_onnx_frontend.so.*", "libtbbbind_2_5.so.*",
                      "libtbbmalloc.so.*"]
# The C library stays the machine's own: it must fit the kernel's loader.
C_LIBRARY = re.compile(r"^(?:ld-linux.*|lib(?:c|m|pthread|dl|rt|resolv|util|anl|nsl))\.so\b")

TEXTS = {
    "pumps.md": "# Pumps\n\nTo reset a pump, hold the green button for five seconds until the light turns white.\n",
    "bread.txt": "Knead the dough for ten minutes, let it rise for two hours, and bake it at 220 degrees.\n",
    "orbits.txt": "The moon moves around the earth in a little more than twenty-seven days.\n",
}


def output(*command):
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def needed(file):
    """The shared libraries that a program or library needs, itself and through others, without the C library."""
    found = {}
    for line in output("ldd", file).splitlines():
        match = re.match(r"\s*(\S+) => (.*?)(?: \(0x[0-9a-f]+\))?$", line)
        if not match or C_LIBRARY.match(match.group(1)):
            continue
        if match.group(2) == "not found":
            sys.exit(f"package: {file} needs {match.group(1)}, which is nowhere")
        found[match.group(1)] = Path(match.group(2)).resolve()
    return found


def copy_libraries(program, target):
    """Copies all libraries to target; returns name to where each came from."""
    libraries = needed(program)
    for pattern in LOADED_AT_RUN_TIME:
        matches = sorted((OPENVINO / "openvino/libs").glob(pattern))
        if not matches:
            sys.exit(f"package: OpenVINO has no {pattern}")
        for path in matches:
            libraries |= needed(path) | {path.name: path}
    target.mkdir(parents=True)
    for name, source in sorted(libraries.items()):
        shutil.copyfile(source, target / name)
        (target / name).chmod(0o755)
        if "$ORIGIN" not in output("patchelf", "--print-rpath", target / name):
            output("patchelf", "--set-rpath", "$ORIGIN", target / name)
    return libraries


def copy_licences(libraries, target):
    """Puts the licence of each bundled thing into target/NAME; every library must have one."""
    target.mkdir(parents=True)
    licences = OPENVINO / f"{OPENVINO.name}.dist-info/licenses"
    shutil.copytree(licences, target / "openvino")
    for source in sorted(set(libraries.values())):
        if source.is_relative_to(OPENVINO.resolve()):
            continue
        # A merged /usr: dpkg may know the file by its old place.
        places = [source, Path("/") / source.relative_to("/usr")] if source.is_relative_to("/usr") else [source]
        owners = [subprocess.run(["dpkg", "-S", place], capture_output=True, text=True).stdout for place in places]
        owner = next((text.split(":")[0] for text in owners if text), None)
        notice = Path(f"/usr/share/doc/{owner}/copyright")
        if owner is None or not notice.is_file():
            sys.exit(f"package: no licence found for {source}")
        shutil.copyfile(notice, target / owner)
    model = target / "all-MiniLM-L6-v2"
    model.mkdir()
    for path in [*MODEL.glob("README.md"), *MODEL.parents[1].glob("*.dist-info/METADATA"),
                 *MODEL.parents[1].glob("*.dist-info/**/LICEN*")]:
        shutil.copyfile(path, model / path.name)


def stage(version):
    """Lays the tree out under a new folder."""
    name = f"kedge-{version}-linux-x86_64"
    tree = OUT / name
    shutil.rmtree(tree, ignore_errors=True)
    program = BUILD / "release/kedge"
    output("cmake", "--install", BUILD / "release", "--strip", "--prefix", tree)
    libraries = copy_libraries(program, tree / "lib")
    shutil.copytree(MODEL, tree / "share/kedge/model", ignore=shutil.ignore_patterns(".git*"))
    documents = tree / "share/doc/kedge"
    copy_licences(libraries, documents / "licences")
    for file in ("README.md", "LICENSE", "CHANGELOG.md"):
        if (ROOT / file).is_file():
            shutil.copyfile(ROOT / file, documents / file)
    return tree


def pack(tree):
    """Writes the tarball; the same tree gives the same bytes."""
    changed = subprocess.run(["git", "-C", ROOT, "log", "-1", "--format=%ct"], capture_output=True, text=True).stdout
    seconds = int(changed or 0)

    def plain(entry):
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = "root"
        entry.mtime = seconds
        return entry

    tarball = tree.with_name(tree.name + ".tar.gz")
    with open(tarball, "wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=seconds) as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            for path in [tree, *sorted(tree.rglob("*"))]:
                archive.add(path, path.relative_to(OUT), recursive=False, filter=plain)
    with open(tarball, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    tarball.with_name(tarball.name + ".sha256").write_text(f"{digest}  {tarball.name}\n")
    return tarball


def bare_debian():
    """A minimal root of Debian 12 in the cache folder, made once."""
    base = CACHE / "debian-12-minbase"
    if not base.is_dir():
        print("package: debootstrap of a minimal Debian 12, once")
        scratch = Path(tempfile.mkdtemp(prefix="debootstrap-", dir=CACHE))
        try:
            output("debootstrap", "--variant=minbase", "bookworm", scratch / "root")
            (scratch / "root").rename(base)
        finally:
            shutil.rmtree(scratch)
    return base


def in_root(root, command, check=True):
    """Runs a command in the root with its own mounts and processes, and with no network."""
    inside = ["chroot", root, "env", "-i", "PATH=/usr/bin:/bin", "HOME=/root", "LANG=C.UTF-8", *command]
    script = 'mount -t proc proc "$0/proc" && mount -t sysfs sysfs "$0/sys" && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", script, root, *inside],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TRY_LIMIT_SECONDS)
    print("  $ " + " ".join(map(str, command)) + "\n" +
          "".join(f"    {line}\n" for line in done.stdout.splitlines()), end="")
    if check and done.returncode != 0:
        sys.exit(f"package: the trial failed ({done.returncode})")
    return done.stdout


def try_package(tarball):
    if os.geteuid() != 0:
        sys.exit("package: --try needs root, for chroot")
    base = bare_debian()
    with tempfile.TemporaryDirectory(prefix="try-", dir=OUT) as scratch:
        root = Path(scratch) / "root"
        output("cp", "-a", base, root)
        with tarfile.open(tarball) as archive:
            archive.extractall(root / "opt")
        kedge = "/opt/" + tarball.name.removesuffix(".tar.gz") + "/bin/kedge"
        (root / "texts").mkdir()
        for name, contents in TEXTS.items():
            (root / "texts" / name).write_text(contents)
        print("package: trying it in a bare Debian 12 without a network")
        in_root(root, [kedge, "--version"])
        in_root(root, [kedge, "sync", "/texts"])
        found = in_root(root, [kedge, "search", "how do I restart a pump?", "--index", "/texts/.kedge", "-k", "1"])
        if "pumps.md" not in found:
            sys.exit("package: the search did not find pumps.md")
        in_root(root, [kedge, "verify", "--index", "/texts/.kedge"])


def main():
    parser = argparse.ArgumentParser(prog="./dev package", description=__doc__.split("\n\n")[0])
    parser.add_argument("--try", dest="trial", action="store_true", help="run it in a bare Debian 12 (root)")
    args = parser.parse_args()
    if not (BUILD / "release/kedge").exists():
        sys.exit("package: there is no program kedge: src/cli/main.cc is missing")
    version = re.search(r"project\(kedge VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    tree = stage(version)
    tarball = pack(tree)
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    print(f"package: {tarball}, {tarball.stat().st_size / 1e6:.0f} MB, unpacked {size / 1e6:.0f} MB")
    if args.trial:
        try_package(tarball)


if __name__ == "__main__":
    main()
