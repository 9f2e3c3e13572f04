"""Runs clang-tidy (.clang-tidy) over the product's sources.

A file that was clean is looked at again only when it, a header of this repository that it includes, .clang-tidy or the
options change: the keys of clean files lie in the cache folder. Tests are left to the compiler's warnings and the
sanitizers.
"""
import hashlib
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

from _files import ROOT, files, finish, text

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">]+)[">]', re.MULTILINE)
SEARCHED = ("src", "include", ".")
OPENVINO = os.environ["KEDGE_OPENVINO_DIR"] + "/openvino/include"
# Warnings are the task of g++, the compiler of record, but for those of clang on dangling references.
OPTIONS = ["-std=gnu++20", "-Wno-everything", "-Wdangling", "-Isrc", "-Iinclude", "-I.", "-DKEDGE_OPENVINO=1"]
CLEAN = Path(os.environ["KEDGE_DOWNLOADS"]) / "tidy"


@lru_cache(maxsize=None)
def direct_includes(path):
    """The headers of this repository that a file names."""
    found = []
    for name in INCLUDE.findall(text(path)):
        candidates = [Path(folder) / name for folder in SEARCHED if (ROOT / folder / name).is_file()]
        found += candidates[:1]
    return found


def key_of(source):
    """A hash over the file and all headers of this repository that it reaches."""
    reached, open_paths = set(), [source]
    while open_paths:
        path = open_paths.pop()
        if path not in reached:
            reached.add(path)
            open_paths += direct_includes(path)
    parts = [text(".clang-tidy"), "\0".join(OPTIONS)]
    parts += [f"{path}\0{text(path)}" for path in sorted(reached)]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def tidy(source):
    """What clang-tidy says about a file, empty if it is clean."""
    done = subprocess.run(["clang-tidy-14", "--quiet", str(source), "--", *OPTIONS, "-isystem", OPENVINO], cwd=ROOT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode == 0:
        return ""
    return (done.stdout.strip() or done.stderr.strip()).replace(str(ROOT) + "/", "")


def main():
    CLEAN.mkdir(parents=True, exist_ok=True)
    sources = [path for path in files(".cc") if path.parts[0] == "src" and not path.stem.endswith("_test")]
    due = [(source, key) for source in sources if not (CLEAN / (key := key_of(source))).exists()]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        results = list(pool.map(lambda item: tidy(item[0]), due))
    for (_, key), result in zip(due, results):
        if not result:
            (CLEAN / key).touch()
    if due:
        print(f"clang-tidy: {len(due)} of {len(sources)} files")
    finish([result for result in results if result])


if __name__ == "__main__":
    sys.exit(main())
