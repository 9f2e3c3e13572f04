"""Checks that what documents and comments point to is there.

* A link of a Markdown file to a file of the repository, and its anchor.
* A path in backticks that starts at a folder of the repository (`src/base/result.h`).
* A document that a comment names (docs/format.md).
"""
import re

from _files import ROOT, files, finish, text

LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
PATH = re.compile(r"`((?:src|include|tests|fuzz|bench|docs|tools|cmake|bindings|sample)/[\w./-]+)`")
DOCUMENT = re.compile(r"\bdocs/[\w/-]+\.md\b")
COMMENT = re.compile(r"(?://|#).*$")
FENCE = re.compile(r"^(```|~~~).*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)


def blank(match):
    return "\n" * match.group(0).count("\n")


def anchors(path):
    """The anchors that a renderer makes of a file's headings: lower case, hyphens for spaces, a number for repeats."""
    found, seen = set(), {}
    prose = FENCE.sub(blank, text(path))
    for heading in re.findall(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", prose, re.MULTILINE):
        plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = seen.get(slug, 0)
        seen[slug] = count + 1
        found.add(f"{slug}-{count}" if count else slug)
    return found | set(re.findall(r"<a (?:name|id)=\"([^\"]+)\"", prose))


def check_link(path, target):
    if re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None
    name, _, anchor = target.partition("#")
    pointed = (ROOT / path.parent / name).resolve() if name else ROOT / path
    if not pointed.exists() or not pointed.is_relative_to(ROOT):
        return f"links to {target}, which does not exist"
    if anchor and pointed.suffix == ".md" and anchor not in anchors(pointed.relative_to(ROOT)):
        return f"links to {target}: no such heading"
    return None


def check_markdown(path):
    prose = FENCE.sub(blank, text(path))
    for number, line in enumerate(prose.split("\n"), 1):
        for target in LINK.findall(re.sub(r"`[^`]*`", "", line)):
            if problem := check_link(path, target):
                yield f"{path}:{number}: {problem}"
        for named in PATH.findall(line):
            if not (ROOT / named).exists():
                yield f"{path}:{number}: names {named}, which does not exist"


def main():
    problems = []
    for path in files(".md"):
        if path.parts[0] != "sample":  # documents of an imagined company
            problems += check_markdown(path)
    for path in files(".h", ".cc", ".py", ".cmake"):
        contents = text(path)
        if path.name == "links.py":
            continue
        for number, line in enumerate(contents.split("\n"), 1):
            for named in DOCUMENT.findall("".join(COMMENT.findall(line))):
                if not (ROOT / named).exists():
                    problems.append(f"{path}:{number}: names {named}, which does not exist")
    finish(problems)


main()
