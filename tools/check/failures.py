"""Checks that docs/failures.md names tests and mutants that are there."""
import re

from _files import ROOT, files, finish, text

PAGE = ROOT / "docs/failures.md"
CPP = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+)`")
PYTHON = re.compile(r"`(test_\w+\.py)::(\w+)`")
MUTANT = re.compile(r"(?<!\*)\*([a-z0-9_]+)\*(?!\*)")


def main():
    if not PAGE.exists():
        return
    tests = set()
    for path in files(".cc"):
        tests |= set(re.findall(r"\bTEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)", text(path)))
    pythons = {(path.name, name) for path in files(".py") for name in re.findall(r"^def (test_\w+)", text(path), re.MULTILINE)}
    mutants = set(re.findall(r'^name = "(\w+)"', (ROOT / "tools/mutants.toml").read_text(encoding="utf-8"), re.MULTILINE))
    problems = []
    for number, line in enumerate(PAGE.read_text(encoding="utf-8").split("\n"), 1):
        missing = [".".join(name) for name in CPP.findall(line) if name not in tests]
        missing += ["::".join(name) for name in PYTHON.findall(line) if name not in pythons]
        missing += [name for name in MUTANT.findall(line) if name not in mutants]
        problems += [f"docs/failures.md:{number}: names {name}, which is no test and no mutant" for name in missing]
    finish(problems)


main()
