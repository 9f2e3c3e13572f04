"""Checks that the worked examples of docs/format.md are the golden files: no byte of them is from memory.

A fence that begins with "```hex FILE" shows bytes of tests/golden/FILE: lines of a hexadecimal offset, two spaces, bytes
apart by one space, and after two spaces what they mean. Every golden file of a format must be shown.
"""
import re

from _files import ROOT, finish, text

DOCUMENT = "docs/format.md"
GOLDEN = ROOT / "tests/golden"
LINE = re.compile(r"([0-9a-f]{4,})  ((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}\S.*)?")


def check_line(line, kept):
    """What is wrong with a line of an example, or None."""
    if not (found := LINE.fullmatch(line)):
        return "is not an offset, bytes and what they mean"
    at, shown = int(found[1], 16), bytes.fromhex(found[2])
    there = kept[at:at + len(shown)]
    return None if there == shown else f"shows {shown.hex(' ')}, the golden file has {there.hex(' ') or 'nothing'}"


def main():
    if not (ROOT / DOCUMENT).is_file():
        finish([])
    problems, shown, kept = [], set(), None
    for number, line in enumerate(text(DOCUMENT).split("\n"), 1):
        place = f"{DOCUMENT}:{number}"
        if line.startswith("```hex"):
            name = line.removeprefix("```hex").strip()
            shown.add(name)
            kept = (GOLDEN / name).read_bytes() if name and (GOLDEN / name).is_file() else None
            if kept is None:
                problems.append(f"{place}: no golden file {name!r}")
        elif line.startswith("```"):
            kept = None
        elif kept is not None and (problem := check_line(line, kept)):
            problems.append(f"{place}: {problem}")
    for path in sorted(GOLDEN.glob("*.bin")):
        if path.name not in shown:
            problems.append(f"tests/golden/{path.name}: {DOCUMENT} shows nothing of it")
    finish(problems)


main()
