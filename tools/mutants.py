#!/usr/bin/env python3
"""The mutation gate: each entry of tools/mutants.toml breaks one rule's code, and its test must fail.

The sources are copied to a folder of the build, the copy is changed, built without sanitizers, and tested; the tree is
never touched, and no switch is in the product. First every named test must pass on the unchanged copy. A mutant that
no longer applies, does not build, survives, or dies in another way than its entry says fails the gate.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = ROOT / "tools/mutants.toml"
FOLDER = Path(os.environ.get("KEDGE_BUILD") or ROOT / "build") / "mutants"
TREE, BUILD = FOLDER / "tree", FOLDER / "build"
COPIED = ["CMakeLists.txt", "CMakePresets.json", "cmake", "src", "include", "tests", "fuzz", "sample"]
FIELDS = {"name", "rule", "file", "find", "replace", "test", "filter", "ends"}
TEST_LIMIT_SECONDS = 120
CORES = len(os.sched_getaffinity(0))


def read_mutants():
    """The entries, and what is wrong with them: fields, names, and a `find` that does not match exactly once."""
    mutants, problems, names = tomllib.loads(LIST.read_text()).get("mutant", []), [], set()
    for mutant in mutants:
        name = mutant.get("name", "?")
        mutant.setdefault("filter", "*")
        mutant.setdefault("ends", "assertion")
        if wrong := FIELDS ^ mutant.keys():
            problems.append(f"{name}: missing or unknown fields: {' '.join(sorted(wrong))}")
            continue
        if name in names:
            problems.append(f"{name}: two mutants of this name")
        names.add(name)
        if mutant["ends"] not in ("assertion", "crash", "time"):
            problems.append(f"{name}: ends = {mutant['ends']!r} is not assertion, crash or time")
        path = ROOT / mutant["file"]
        if not mutant["file"].startswith("src/") or mutant["file"].endswith("_test.cc") or not path.is_file():
            problems.append(f"{name}: {mutant['file']} is not a source file of the product")
        elif (count := path.read_text().count(mutant["find"])) != 1:
            problems.append(f"{name}: `find` matches {count} times in {mutant['file']}, not once")
        elif mutant["find"] == mutant["replace"]:
            problems.append(f"{name}: changes nothing")
    return mutants, problems


def copy_tree():
    """Makes the copy equal to the sources; a file that is already equal keeps its time, so it is not built again."""
    wanted = set()
    for top in COPIED:
        paths = [ROOT / top] if (ROOT / top).is_file() else (ROOT / top).rglob("*")
        for path in paths:
            if not path.is_file():
                continue
            target = TREE / path.relative_to(ROOT)
            wanted.add(target)
            if not target.exists() or target.read_bytes() != path.read_bytes():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    for old in [path for path in TREE.rglob("*") if path.is_file() and path not in wanted]:
        old.unlink()


def configure():
    # The embedder that needs OpenVINO runs no rule of ours: left out for speed.
    command = ["cmake", "-G", "Ninja", "-S", TREE, "-B", BUILD, "-DCMAKE_BUILD_TYPE=Debug",
               "-DCMAKE_CXX_FLAGS_DEBUG=-O1", "-DKEDGE_OPENVINO=OFF"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"mutants: cmake failed\n{done.stderr}")


def build(target):
    """The output of a failed build, or None."""
    env = {**os.environ, "CCACHE_BASEDIR": str(TREE), "CCACHE_NOHASHDIR": "1"}
    done = subprocess.run(["ninja", "--quiet", "-C", BUILD, f"-j{CORES}", target], text=True, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout if done.returncode else None


def run_test(mutant):
    """How the test ended (passed, assertion, crash, time, empty), and the names of the tests that failed."""
    command = [BUILD / mutant["test"], f"--gtest_filter={mutant['filter']}", "--gtest_color=no", "--gtest_brief=1"]
    try:
        done = subprocess.run(command, cwd=BUILD, stdin=subprocess.DEVNULL, text=True, errors="replace",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TEST_LIMIT_SECONDS)
    except subprocess.TimeoutExpired:
        return "time", []
    failed = list(dict.fromkeys(re.findall(r"^\[  FAILED  \] (\w[\w/]*\.[\w/]+)", done.stdout, re.M)))
    if done.returncode == 0:
        return ("passed" if re.search(r"\[  PASSED  \] [1-9]", done.stdout) else "empty"), []
    return ("assertion" if done.returncode == 1 and failed else "crash"), failed


def check_baseline(mutants):
    """Every named test must pass on the unchanged sources; otherwise its failure would prove nothing."""
    problems = []
    for test, filters in sorted({(m["test"], m["filter"]) for m in mutants}):
        if output := build(test):
            sys.exit(f"mutants: {test} does not build\n{output}")
        ended, failed = run_test({"test": test, "filter": filters})
        if ended != "passed":
            problems.append(f"{test} {filters} on the unchanged sources: {ended} {' '.join(failed)}")
    return problems


def try_mutant(mutant):
    """(verdict, what killed it): the verdict is `killed` or says what is wrong."""
    path = TREE / mutant["file"]
    original = path.read_text()
    try:
        path.write_text(original.replace(mutant["find"], mutant["replace"]))
        if output := build(mutant["test"]):
            error = re.search(r"^.*error: .*$", output, re.M)
            return "DOES NOT BUILD", error.group(0) if error else output[-300:]
        ended, failed = run_test(mutant)
    finally:
        path.write_text(original)
    if ended in ("passed", "empty"):
        return "SURVIVED", f"{mutant['test']} {mutant['filter']}"
    if ended != mutant["ends"]:
        return f"ENDS BY {ended.upper()}", "expected: " + mutant["ends"]
    return "killed", (failed[0] + (f" and {len(failed) - 1} more" if len(failed) > 1 else "")) if failed else ended


def main():
    parser = argparse.ArgumentParser(prog="./dev mutants", description=__doc__.split("\n\n")[0])
    parser.add_argument("--lint", action="store_true", help="only see that each mutant still applies")
    parser.add_argument("--list", action="store_true", help="only list them")
    parser.add_argument("--only", metavar="REGEX", default="", help="those whose name matches")
    args = parser.parse_args()
    mutants, problems = read_mutants()
    if problems:
        sys.exit("\n".join("mutants: " + problem for problem in problems))
    if args.lint:
        return
    mutants = [mutant for mutant in mutants if re.search(args.only, mutant["name"])]
    if args.list:
        for mutant in mutants:
            print(f"{mutant['name']:<34}{mutant['rule']}")
        return
    if not mutants:
        sys.exit("mutants: there are none of that name")
    begin = time.monotonic()
    copy_tree()
    configure()
    if problems := check_baseline(mutants):
        sys.exit("\n".join("mutants: " + problem for problem in problems))
    print(f"mutants: {len(mutants)}; the unchanged sources pass, {time.monotonic() - begin:.0f} s\n")
    print(f"{'mutant':<34}{'verdict':<18}{'seconds':>7}  killed by")
    wrong = 0
    for mutant in mutants:
        start = time.monotonic()
        verdict, detail = try_mutant(mutant)
        wrong += verdict != "killed"
        print(f"{mutant['name']:<34}{verdict:<18}{time.monotonic() - start:>7.1f}  {detail}", flush=True)
        print(f"    {mutant['rule']}", flush=True)
    print(f"\nmutants: {len(mutants) - wrong} killed, {wrong} not, {time.monotonic() - begin:.0f} s")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
