"""The stages of ./dev test: each runs programs, counts single tests, and says what was skipped."""
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dev.base import BUILD, CACHE, CORES, ROOT, run, say
from dev.build import build, environment
from dev.setup import test_python

TEST_LIMIT_SECONDS = 900  # for one test program: a hang ends with a message, not with the machine's patience

# Programs that each stage of `test` runs besides everything under the dev preset.
TSAN_PROGRAMS = ["base_test", "net_test", "store_test", "commit_test", "engine_test", "ingest_test", "sim_tests", "emulator_test"]
RELEASE_PROGRAMS = ["simd_test", "engine_test", "embed_test"]
# Many short histories instead of a few long ones: where nothing slows them down.
MANY_SEEDS = ["sim_tests", "--seeds", "1000", "--steps", "200", "--gtest_filter=Simulation.NothingIs*"]
# 64 writers with 100 commits each; fewer of each where something does.
MANY_WRITERS = ["sim_tests", "--steps", "10000", "--gtest_filter=ManyWriters.*"]
SIMD_PROGRAMS = ["simd_test", "engine_test"]
NOT_AGAIN = "--gtest_filter=-EveryCall.*"  # loops over store calls: one thread, no kernel of interest
# More than half of the engine's time are random histories: in two parts it keeps to the limit under ThreadSanitizer too.
# In the simulation one thread runs at a time: a few histories show that they hand over.
PARTS = {"engine_test": ["--gtest_filter=Seeds/Oracle.*", f"{NOT_AGAIN}:Seeds/Oracle.*"],
         "sim_tests": [f"{NOT_AGAIN}:Shrinks.*:ManyWriters.*"]}
AVX512 = ["avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni"]
SIMD_PATHS = {"scalar": [], "avx2": ["avx2", "fma", "f16c"], "avx512": AVX512, "avx512bf16": [*AVX512, "avx512_bf16"]}


class Tally:
    """Counts single tests (not programs) and keeps what the summary says."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lines, self.notes = [], []

    def add(self, stage, passed, failed, skipped, begin):
        self.passed, self.failed, self.skipped = self.passed + passed, self.failed + failed, self.skipped + skipped
        seconds = time.monotonic() - begin
        self.lines.append(f"  {stage:<34}{passed:>6} passed {failed:>4} failed {skipped:>4} skipped{seconds:>8.0f} s")

    def finish(self):
        say("\n".join(["\nsummary", *self.lines, *("  " + note for note in self.notes)]))
        say(f"\n{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        return 1 if self.failed or not self.passed else 0


def read_report(path):
    """(passed, failed, skipped, why skipped) of a JUnit file, or None if there is none that can be read."""
    try:
        cases = list(xml.etree.ElementTree.parse(path).iter("testcase"))
    except (OSError, xml.etree.ElementTree.ParseError):
        return None
    skipped = [case.find("skipped") for case in cases if case.find("skipped") is not None]
    failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
    reasons = {(skip.get("message") or "no reason given").strip().split("\n")[-1] for skip in skipped}
    return len(cases) - failed - len(skipped), failed, len(skipped), reasons


def run_program(folder, command, env):
    """Runs one test program: (passed, failed, skipped, why skipped), exit status, output. A crash is a failure."""
    # A program may run more than once, each time in part.
    report = folder / "results" / (re.sub(r"\W+", "-", " ".join(command))[:80] + ".xml")
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    variables = {**os.environ, **environment(), **env, "GTEST_OUTPUT": f"xml:{report}", "GTEST_COLOR": "no"}
    try:
        done = subprocess.run([folder / command[0], *command[1:]], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TEST_LIMIT_SECONDS)
        output, status = done.stdout, done.returncode
    except subprocess.TimeoutExpired as late:
        output, status = late.stdout or b"", f"over {TEST_LIMIT_SECONDS} s"
    passed, failed, skipped, reasons = read_report(report) or (0 if status else 1, 0, 0, set())
    return (passed, max(failed, 1) if status else failed, skipped, reasons), status, output.decode(errors="replace")


def run_programs(tally, stage, folder, programs, env=None):
    """Runs test programs, one a core, and counts the single tests that each reported."""
    begin, total = time.monotonic(), [0, 0, 0]
    with ThreadPoolExecutor(CORES) as pool:
        results = list(pool.map(lambda command: run_program(folder, command, env or {}), programs))
    for command, (counts, status, output) in zip(programs, results):
        total = [a + b for a, b in zip(total, counts)]
        tally.notes += [f"{stage}: {line[6:]}" for line in output.splitlines() if line.startswith("note: ")]
        if status != 0:
            say(f"test: {stage}: {command[0]} failed ({status}); its output:\n{failing_part(output)}")
        for reason in sorted(counts[3]):
            tally.notes.append(f"SKIPPED in {command[0]}, {stage}: {reason}")
    tally.add(stage, *total, begin)


def failing_part(output, limit=200):
    """The lines of a test's output that are not about passing tests; the last ones, if there are many."""
    boring = re.compile(r"\[( RUN      |       OK |----------|==========)\]|^$")
    return "\n".join([line for line in output.splitlines() if not boring.match(line)][-limit:])


def ctest_programs(preset):
    """The commands that ctest knows for a configured preset."""
    shown = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BUILD / preset, capture_output=True, text=True)
    return [[Path(test["command"][0]).name, *test["command"][1:]] for test in json.loads(shown.stdout)["tests"]]


def cpu_flags():
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return set(found.group(1).split()) if found else set()


def test_cpp(tally, only):
    build("dev")
    programs = ctest_programs("dev")
    known = {program[0] for program in programs}
    if only:
        programs = [program for program in programs if re.search(only, program[0])]
    run_programs(tally, "dev (ASan, UBSan)", BUILD / "dev", programs)
    if only:
        return
    chosen = [[name, NOT_AGAIN] for name in SIMD_PROGRAMS if name in known]
    for path, needed in SIMD_PATHS.items() if chosen else ():
        if set(needed) <= cpu_flags():
            run_programs(tally, f"dev, KEDGE_SIMD={path}", BUILD / "dev", chosen, {"KEDGE_SIMD": path})
        else:
            tally.notes.append(f"NOT RUN: KEDGE_SIMD={path}: this CPU lacks {' '.join(sorted(set(needed) - cpu_flags()))}")
    for preset, programs in (("tsan", TSAN_PROGRAMS), ("release", RELEASE_PROGRAMS)):
        names = [name for name in programs if name in known]
        programs = [[name, part] for name in names for part in PARTS.get(name, [NOT_AGAIN])]
        if preset == "release":
            programs = [MANY_SEEDS, MANY_WRITERS, *programs, ["kedge", "--version"]]
            names += ["kedge", "sim_tests"]
        run_programs(tally, preset, build(preset, names), programs)


def test_python_files(tally):
    if not any((ROOT / "tests").glob("**/test_*.py")):
        return
    begin, report = time.monotonic(), BUILD / "dev/results/pytest.xml"
    status = run([test_python(), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "tests"],
                 env={**environment(), "KEDGE_BUILD_DIR": str(BUILD / "dev"), "KEDGE_BIN": str(BUILD / "dev/kedge"),
                      "PYTHONDONTWRITEBYTECODE": "1"}, check=False)
    passed, failed, skipped, reasons = read_report(report) or (0, 1, 0, set())
    for reason in sorted(reasons):
        tally.notes.append(f"SKIPPED in Python: {reason}")
    tally.add("Python", passed, max(failed, 1) if status else failed, skipped, begin)


def test_mutants(tally):
    begin = time.monotonic()
    done = subprocess.run([sys.executable, ROOT / "tools/mutants.py"], env={**os.environ, **environment()}, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = re.search(r"^mutants: (\d+) killed, (\d+) not", done.stdout, re.M)
    killed, alive = map(int, found.groups()) if found else (0, 1)
    if done.returncode:
        say(done.stdout)
    tally.add("mutants", killed, max(alive, 1) if done.returncode else alive, 0, begin)


def run_checks(tally, fix=False):
    """Each check is a program, tools/check/NAME.py, that prints what is wrong and exits with 1."""
    begin, failed, checks = time.monotonic(), 0, sorted((ROOT / "tools/check").glob("[a-z]*.py"))
    env = {**environment(), "KEDGE_DOWNLOADS": str(CACHE), "PYTHONDONTWRITEBYTECODE": "1"}
    for check in checks:
        start = time.monotonic()
        code = run([sys.executable, check, *(["--fix"] if fix else [])], env=env, check=False)
        say(f"check: {check.stem} {'FAILED' if code else 'ok'}, {time.monotonic() - start:.1f} s")
        failed += code != 0
    tally.add("check", len(checks) - failed, failed, 0, begin)
