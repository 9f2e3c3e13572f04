"""Checks what is plain to see in the text of files: size, leftovers, places of one machine, syntax of scripts."""
import ast
import re
import subprocess

from _files import ROOT, files, finish, text

MAX_LINES = 500
CODE = {".h", ".cc", ".py", ".cmake", ".sh", ".toml", ".json", ".md", ".yml", ".txt", ""}
# Test data may hold anything.
DATA = ("sample/", "tests/golden/", "tests/data/", "fuzz/corpus/")
# What was made before a return inside an expression is not destroyed.
TRY_IN_EXPRESSION = re.compile(r"(?:^\s+|\{)\.\w+ = \*?KEDGE_TRY\(|, KEDGE_TRY\(")
FORBIDDEN = [
    (re.compile(r"(?<![\w.$}])/(?:root|home|Users|work)/[\w.]"), "names a folder of one machine"),
    (re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"), "is a leftover: do it, or file it"),
    (re.compile(r"[ \t]+$"), "ends in white space"),
    (re.compile(r"\r"), "has a carriage return"),
    (re.compile(r"^(?:<<<<<<<|>>>>>>>) "), "is a merge conflict"),
]


def check_lines(path, contents):
    for number, line in enumerate(contents.split("\n"), 1):
        for pattern, complaint in FORBIDDEN:
            if pattern.search(line) and path.name != "text.py":
                yield f"{path}:{number}: {complaint}"
        if path.suffix in {".h", ".cc"} and TRY_IN_EXPRESSION.search(line):
            yield f"{path}:{number}: KEDGE_TRY behind other parts of an expression, which leak where it returns: take it into a variable"
    if contents and not contents.endswith("\n"):
        yield f"{path}: no newline at the end"


def check_script(path, contents):
    first = contents.split("\n", 1)[0]
    if path.suffix == ".py" or (first.startswith("#!") and "python" in first):
        try:
            ast.parse(contents, str(path))
        except SyntaxError as error:
            yield f"{path}:{error.lineno}: {error.msg}"
    elif path.suffix == ".sh" or (first.startswith("#!") and re.search(r"\b(?:ba|da)?sh\b", first)):
        done = subprocess.run(["bash", "-n", str(path)], cwd=ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            yield done.stderr.strip()


def main():
    problems = []
    for path in files():
        if path.suffix not in CODE or str(path).startswith(DATA) or path.name == "LICENSE":
            continue
        try:
            contents = text(path)
        except UnicodeDecodeError:
            problems.append(f"{path}: not UTF-8")
            continue
        lines = contents.count("\n")
        if (path.suffix in {".h", ".cc", ".py"} or path.name == "dev") and lines > MAX_LINES:
            problems.append(f"{path}: {lines} lines, at most {MAX_LINES}")
        problems += check_lines(path, contents)
        problems += check_script(path, contents)
    finish(problems)


main()
