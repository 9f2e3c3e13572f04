#!/usr/bin/env python3
"""Writes the table of docs/stores.md from a run of the conformance suite: what each store at hand promises.

    ./dev stores [--results FILE]

A row is a test of the suite, in the words that it gives to promise(); a column is the instances of a store. A cell says "yes",
what the store does otherwise (as the test noted it), "no" where the test failed, "not run" where it did not run.
"""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/stores.md"
BEGIN, END = "<!-- made by ./dev stores: begin -->\n", "<!-- end -->\n"
TEST = re.compile(r"^TEST_P\(StoreConformance,\s*(\w+)\)\s*\{\s*(?:promise\(((?:\s*\"(?:[^\"\\]|\\.)*\")+)\s*\);)?", re.MULTILINE)
# The columns, each with the instances that it stands for: of Google Test's names "Suite/StoreConformance.Test/case".
COLUMNS = {
    "memory": ("Memory/content_tags", "Memory/unique_tags", "Memory/whole_seconds", "Memory/unordered"),
    "all wrappers, on memory": ("Wrapped/all",),
    "folder": ("File/synced", "File/unsynced"),
    "`kedge-s3-emulator`": ("S3/emulator", "S3/emulator_versioned"),
    "versitygw": ("S3/versitygw",),
}


def promises():
    """The suite as its sources have it: test -> sentence, "" where there is none."""
    found = {}
    for path in sorted((ROOT / "tests/store").glob("*.cc")):
        for name, sentence in TEST.findall(path.read_text(encoding="utf-8")):
            found[name] = "".join(re.findall(r"\"((?:[^\"\\]|\\.)*)\"", sentence))
    return found


def version_of_versitygw():
    """The one that tests run on; "" if this repository does not say."""
    path = ROOT / "tools/dev/versitygw.py"
    found = re.search(r'^VERSION = "v([\d.]+)"', path.read_text(encoding="utf-8"), re.MULTILINE) if path.exists() else None
    return found.group(1) if found else ""


def titles():
    return [f"{name} {version_of_versitygw()}".strip() if name == "versitygw" else name for name in COLUMNS]


def cell(results):
    """`results`: of the instances of one store, case -> what Google Test says of it; None for what did not run."""
    ran = {case: one for case, one in results.items() if one and one.get("result") == "COMPLETED"}
    if any(one.get("failures") for one in ran.values()):
        return "**no**"
    if len(ran) < len(results):
        return "not run"
    differences = {}
    for case, one in ran.items():
        for name, text in one.items():
            if name.startswith("differs_"):
                differences.setdefault(text, []).append(case)
    said = [text if len(cases) == len(ran) else f"{text} ({', '.join(cases)})" for text, cases in differences.items()]
    return "; ".join(["yes", *said])


def table(sentences, report):
    """`report`: Google Test's, as JSON."""
    found = {}
    for suite in report["testsuites"]:
        instance, _, name = suite["name"].partition("/")
        if name != "StoreConformance":
            continue
        for one in suite["testsuite"]:
            test, _, case = one["name"].partition("/")
            found[test, f"{instance}/{case}"] = one
    lines = ["| what must hold | " + " | ".join(titles()) + " |", "|" + "---|" * (len(COLUMNS) + 1)]
    for test, sentence in sentences.items():
        cells = [cell({name.split("/")[1]: found.get((test, name)) for name in names}) for names in COLUMNS.values()]
        lines.append(f"| {sentence} (`{test}`) | " + " | ".join(cells) + " |")
    return lines


def made_part(page):
    """The text between the marks; None if they are not there."""
    before, begin, rest = page.partition(BEGIN)
    made, end, _ = rest.partition(END)
    return made if begin and end else None


def problems():
    """What of the page does not fit the suite: for tools/check, which runs nothing."""
    if not PAGE.exists():
        return []
    made = made_part(PAGE.read_text(encoding="utf-8"))
    if made is None:
        return ["docs/stores.md: no table between the marks of ./dev stores"]
    lines = made.split("\n")
    out, shown = [], dict(re.findall(r"^\| (?!what must hold)(?:.*) \(`(\w+)`\) \|(.*)\|$", made, re.MULTILINE))
    if (head := "| what must hold | " + " | ".join(titles()) + " |") not in lines:
        out.append(f"docs/stores.md: its table does not begin with {head}")
    for test, sentence in promises().items():
        if not sentence:
            out.append(f"tests/store: {test} does not begin with promise(\"...\")")
        elif not any(line.startswith(f"| {sentence} (`{test}`) | ") for line in lines):
            out.append(f"docs/stores.md: no row of {test}, {sentence!r}: run ./dev stores")
    out += [f"docs/stores.md: shows {test}, which the suite does not have: run ./dev stores" for test in shown if test not in promises()]
    return out + [f"docs/stores.md: {test} failed or was not run on every store" for test, cells in shown.items()
                  if "**no**" in cells or "not run" in cells]


def run_suite(folder):
    program = os.environ.get("KEDGE_STORE_TESTS")
    if not program:
        sys.exit("stores: KEDGE_STORE_TESTS is not set; run ./dev stores")
    result = folder / "results.json"
    subprocess.run([program, "--gtest_filter=*StoreConformance*", "--gtest_brief=1", f"--gtest_output=json:{result}"], check=False)
    if not result.exists():
        sys.exit("stores: the suite wrote no results")
    return json.loads(result.read_text(encoding="utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--results", metavar="FILE", type=Path, help="Google Test's JSON of a run, instead of running the suite")
    parser.add_argument("--lint", action="store_true", help="only say what of the page does not fit the suite")
    arguments = parser.parse_args()
    if arguments.lint:
        found = problems()
        print("\n".join(found), end="\n" if found else "")
        return 1 if found else 0
    if arguments.results:
        report = json.loads(arguments.results.read_text(encoding="utf-8"))
    else:
        with tempfile.TemporaryDirectory(prefix="kedge-stores-") as folder:
            report = run_suite(Path(folder))
    page = PAGE.read_text(encoding="utf-8")
    old = made_part(page)
    if old is None:
        sys.exit("stores: docs/stores.md has no marks to write between")
    lines = table(promises(), report)
    PAGE.write_text(page.replace(BEGIN + old + END, BEGIN + "\n" + "\n".join(lines) + "\n\n" + END), encoding="utf-8")
    wrong = [line for line in lines if "**no**" in line or "not run" in line]
    print("\n".join(["stores: wrote docs/stores.md", *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
