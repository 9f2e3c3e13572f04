#!/usr/bin/env python3
"""Makes build/package/kedge-VERSION-linux-x86_64.tar.gz: the program, every shared library beyond the C library, and
the model, so that it runs where nothing is installed.

    bin/kedge                 finds its libraries by RPATH ($ORIGIN/../lib)
    lib/                      what ldd lists, and what OpenVINO loads at run time
    share/kedge/model/        all-MiniLM-L6-v2
    share/doc/kedge/          README, LICENSE, CHANGELOG
    share/doc/kedge/LICENSES/ the licence of everything bundled, headers that were compiled in included

--try unpacks it in a bare Debian 12 (debootstrap, kept in the cache folder), without a network, and indexes and
searches the sample there, as nobody and in the C locale. ./dev package builds the release first and sets the
environment that this needs.
"""
import argparse
import gzip
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE, BUILD = Path(os.environ["KEDGE_DOWNLOADS"]), Path(os.environ["KEDGE_BUILD"])
OPENVINO, MODEL = Path(os.environ["KEDGE_OPENVINO_DIR"]), Path(os.environ["KEDGE_MODEL_DIR"])
OUT = BUILD / "package"
TRY_LIMIT_SECONDS = 120

# What OpenVINO loads by name when it needs it, so that ldd cannot know.
LOADED_AT_RUN_TIME = ["libopenvino_intel_cpu_plugin.so", "libopenvino_onnx_frontend.so.*", "libtbbbind_2_5.so.*",
                      "libtbbmalloc.so.*"]
# The C library stays the machine's own: it must fit the kernel's loader.
C_LIBRARY = re.compile(r"^(?:ld-linux.*|lib(?:c|m|pthread|dl|rt|resolv|util|anl|nsl))\.so\b")

# Asked of the sample: the answer lies in a Latin-1 file, whose charset has to be seen first.
QUESTION, ANSWER = "decalcifying the espresso maker", "canteen/recipes-folder-3.txt"


def output(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"package: {command[0]} failed ({done.returncode}): {(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


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


def compiled_in(folder):
    """The files from outside the project that the release was compiled from: what Ninja's log of includes names."""
    shown = output("ninja", "-C", folder, "-t", "deps")
    files = {Path(line.strip()).resolve() for line in shown.splitlines() if line.startswith("    /")}
    return {file for file in files if not file.is_relative_to(ROOT) and not file.is_relative_to(OPENVINO.resolve())}


def debian_packages(files):
    """Source package to a binary one, of all the packages of Debian that own these files."""
    places = {file for file in files}
    # A merged /usr: dpkg may know a file by its old place.
    places |= {Path("/") / file.relative_to("/usr") for file in files if file.is_relative_to("/usr")}
    shown = subprocess.run(["dpkg", "-S", *sorted(places)], capture_output=True, text=True).stdout
    owners = dict(reversed(line.rsplit(": ", 1)) for line in shown.splitlines() if not line.startswith("diversion"))
    for file in files:
        if not {str(file), str(file).removeprefix("/usr")} & owners.keys():
            sys.exit(f"package: no package of Debian owns {file}, so its licence is not known")
    names = sorted({owner.split(":")[0].split(",")[0] for owner in owners.values()})
    shown = output("dpkg-query", "-W", "-f", "${source:Package} ${Package}\n", *names)
    return dict(line.split() for line in shown.splitlines())


def copy_licences(libraries, target):
    """Puts the licence of each bundled thing into target/NAME, Debian's by source package; nothing may lack one."""
    target.mkdir(parents=True)
    shutil.copytree(OPENVINO / f"{OPENVINO.name}.dist-info/licenses", target / "openvino")
    libraries = {path for path in libraries.values() if not path.is_relative_to(OPENVINO.resolve())}
    shared = target / "common-licenses"
    shared.mkdir()
    for source, package in sorted(debian_packages(libraries | compiled_in(BUILD / "release")).items()):
        if source in ("glibc", "linux"):
            continue  # headers of the system's interface: nothing of the C library or the kernel is bundled
        notice = Path(f"/usr/share/doc/{package}/copyright")
        if not notice.is_file():
            sys.exit(f"package: {package} has no {notice}")
        shutil.copyfile(notice, target / source)
        # Debian's notices name long texts instead of repeating them; elsewhere those files are not there.
        for name in re.findall(r"/usr/share/common-licenses/([\w.-]*\w)", notice.read_text(errors="replace")):
            shutil.copyfile(Path("/usr/share/common-licenses") / name, shared / name)
    model = target / "all-MiniLM-L6-v2"
    model.mkdir()
    for path in [*MODEL.glob("README.md"), *MODEL.parents[1].glob("*.dist-info/METADATA"),
                 *MODEL.parents[1].glob("*.dist-info/**/LICEN*")]:
        shutil.copyfile(path, model / path.name)


def oldest_c_library(tree):
    """The version of glibc that the tree needs at least: the newest symbol that anything in it asks for."""
    wanted = re.findall(r"\(?GLIBC_(\d+)\.(\d+)\b", output("objdump", "-T", tree / "bin/kedge", *tree.glob("lib/*")))
    return ".".join(map(str, max((int(major), int(minor)) for major, minor in wanted)))


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
    copy_licences(libraries, documents / "LICENSES")
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


def in_root(root, command, variables=()):
    """Runs a command in the root as nobody, with its own mounts and processes, and with no network."""
    inside = ["chroot", "--userspec=nobody:nogroup", root, "env", "-i", "PATH=/usr/bin:/bin", "HOME=/srv",
              *variables, *command]
    script = 'mount -t proc proc "$0/proc" && mount -t sysfs sysfs "$0/sys" && exec "$@"'
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "sh", "-c", script, root, *inside],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=TRY_LIMIT_SECONDS)
    print(f"  $ {shlex.join(map(str, command))}\n" + "".join(f"    {line}\n" for line in done.stdout.splitlines()),
          end="", flush=True)
    if done.returncode != 0:
        sys.exit(f"package: the trial failed ({done.returncode})")
    return done.stdout


def check_loaded(root, place):
    """Sees in what the loader wrote that all but the C library came from the package, and OpenVINO's plugin did."""
    text = "".join(path.read_text(errors="replace") for path in (root / "tmp").glob("loaded.*"))
    loaded = {Path(name) for name in re.findall(r"calling init: (/\S+)", text)}
    strange = [str(path) for path in loaded if not path.is_relative_to(place) and not C_LIBRARY.match(path.name)]
    if strange:
        sys.exit("package: these came from the system, not from the package: " + " ".join(sorted(strange)))
    if not any("intel_cpu_plugin" in path.name for path in loaded):
        sys.exit("package: the trial did not see OpenVINO's plugin being loaded")
    print(f"package: {sum(path.is_relative_to(place) for path in loaded)} libraries were loaded from the package, "
          "and from the system only the C library")


def try_package(tarball):
    if os.geteuid() != 0:
        sys.exit("package: --try needs root, for chroot")
    base = bare_debian()
    with tempfile.TemporaryDirectory(prefix="try-", dir=OUT) as scratch:
        root = Path(scratch) / "root"
        output("cp", "-a", base, root)
        output("sh", "-c", f"cd '{OUT}' && sha256sum --check --quiet {tarball.name}.sha256")
        output("tar", "-xzf", tarball, "-C", root / "opt")
        place = Path("/opt") / tarball.name.removesuffix(".tar.gz")
        kedge, home = place / "bin/kedge", root / "srv"
        shutil.copytree(ROOT / "sample/bucket", home / "texts")
        output("chown", "-R", "nobody:nogroup", home)
        index = ["--index", "/srv/texts/.kedge"]
        print("package: trying it in a bare Debian 12 without a network, as nobody, in the C locale")
        in_root(root, [kedge, "--version"])
        in_root(root, [kedge, "sync", "/srv/texts"])
        found = in_root(root, [kedge, "search", QUESTION, *index, "-k", "1"],
                        ["LD_DEBUG=libs", "LD_DEBUG_OUTPUT=/tmp/loaded"])
        if ANSWER not in found:
            sys.exit(f"package: the search did not find {ANSWER}")
        in_root(root, [kedge, "verify", *index])
        check_loaded(root, place)


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
    print(f"package: {tarball}, {tarball.stat().st_size / 1e6:.0f} MB, unpacked {size / 1e6:.0f} MB; "
          f"needs glibc {oldest_c_library(tree)} or newer")
    if args.trial:
        try_package(tarball)


if __name__ == "__main__":
    main()
