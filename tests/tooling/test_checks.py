"""A check that cannot fail checks nothing: each is run on a small repository that breaks one of its rules."""
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STORES = ("<!-- made by ./dev stores: begin -->\n| what must hold | memory | all wrappers, on memory | folder | `kedge-s3-emulator` |"
          " versitygw |\n|---|---|---|---|---|---|\n| {} | yes | yes | yes | yes | yes |\n<!-- end -->\n")
GOOD = {
    "src/LAYERS": "base:\nstore: base\ncli: base store\n",
    "src/base/a.h": '#pragma once\n#include "kedge/result.h"\n',
    "src/store/b.cc": '#include "base/a.h"\n// doc' 's/x.md has the rule.\nint rule() { return 1; }\n',
    "include/kedge/result.h": "#pragma once\n",
    "include/kedge/index.h": "#pragma once\n#include <string>\n",
    "src/cli/main.cc": '#include "kedge/index.h"\n',
    "docs/x.md": "# The rule\n\nSee [it](#the-rule) in `src/store/b.cc`.\n",
    "tests/golden/a.bin": "KG",
    "docs/format.md": "# Bytes\n\n```hex a.bin\n0000  4b 47  magic\n```\n",
    "tests/store/a.cc": 'TEST_P(StoreConformance, Holds) {\n  promise(\n      "it "\n      "holds");\n  holds();\n}\n',
    "docs/stores.md": STORES.format("it holds (`Holds`)"),
    "tools/mutants.toml": '[[mutant]]\nname = "m"\nrule = "r"\nfile = "src/store/b.cc"\nfind = "return 1"\n'
                          'replace = "return 2"\ntest = "store_test"\n',
}
# (check, file that is changed, its new text, what the check must say)
BROKEN = [
    ("layers", "src/base/a.h", '#include "store/b.h"\n', "base may use nothing"),
    ("layers", "src/store/b.cc", '#include "other/b.h"\n', "in no layer"),
    ("layers", "src/store/b.cc", '#include "kedge/result.h"\n', "stands above it"),
    ("layers", "src/base/a.h", '#include "kedge/index.h"\n', "stands above it"),
    ("layers", "src/cli/main.cc", '#include "base/a.h"\n', "cli may use server"),
    ("layers", "include/kedge/index.h", '#include "base/a.h"\n', "only the standard library"),
    ("layers", "include/kedge/index.h", "#include <boost/json.hpp>\n", "only the standard library"),
    ("layers", "src/LAYERS", "base: store\nstore: base\n", "no line above names"),
    ("layers", "src/new/a.cc", "#include <string>\n", "not in src/LAYERS"),
    ("links", "docs/x.md", "[gone](y.md)\n", "does not exist"),
    ("links", "docs/x.md", "# A\n\n[gone](#b)\n", "no such heading"),
    ("links", "docs/x.md", "`src/store/c.cc`\n", "does not exist"),
    ("links", "src/store/b.cc", "int a;  // doc" "s/y.md\n", "names doc" "s/y.md"),
    ("text", "src/store/b.cc", "int a;\n" * 501, "at most 500"),
    ("text", "src/store/b.cc", "// TO" "DO: later\n", "leftover"),
    ("text", "src/store/b.cc", "f(a(), KEDGE_TRY(b()));\n", "into a variable"),
    ("text", "src/store/b.cc", "f({.a = a(),\n   .b = KEDGE_TRY(b())});\n", "into a variable"),
    ("text", "docs/x.md", "It lies in /ro" "ot/kedge.\n", "one machine"),
    ("text", "tools/x.py", "def f(:\n", "invalid syntax"),
    ("text", "tools/x.sh", "if true; then\n", "syntax error"),
    ("format", "src/store/b.cc", "int   a;\n", "clang-format"),
    ("examples", "docs/format.md", "```hex a.bin\n0000  4b 48  magic\n```\n", "golden file has 4b 47"),
    ("examples", "docs/format.md", "```hex a.bin\n0002  4b 47 4b  past the end\n```\n", "golden file has nothing"),
    ("examples", "docs/format.md", "```hex a.bin\nmagic\n```\n", "is not an offset"),
    ("examples", "docs/format.md", "```hex b.bin\n```\n", "no golden file 'b.bin'"),
    ("examples", "docs/format.md", "nothing\n", "shows nothing of it"),
    ("failures", "docs/failures.md", "It fails: `Store.Loses`.\n", "failures.md:1: names Store.Loses"),
    ("failures", "docs/failures.md", "It fails: `test_x.py::test_y`.\n", "names test_x.py::test_y"),
    ("failures", "docs/failures.md", "It fails: *m* and *n_of*.\n", "names n_of"),
    ("stores", "docs/stores.md", "# Stores\n", "no table between the marks"),
    ("stores", "docs/stores.md", STORES.format("it holds (`Held`)"), "no row of Holds"),
    ("stores", "docs/stores.md", STORES.format("it holds (`Held`)"), "shows Held, which the suite does not have"),
    ("stores", "docs/stores.md", STORES.format("it held (`Holds`)"), "no row of Holds, 'it holds'"),
    ("stores", "docs/stores.md", STORES.format("it holds (`Holds`)").replace("versitygw", "other"), "does not begin with"),
    ("stores", "docs/stores.md", STORES.format("it holds (`Holds`)").replace("yes | yes", "yes | not run"), "not run on every"),
    ("stores", "docs/stores.md", STORES.format("it holds (`Holds`)").replace("yes | yes", "yes | **no**"), "failed or was"),
    ("stores", "tests/store/a.cc", "TEST_P(StoreConformance, Holds) {\n}\n", "does not begin with promise"),
    ("mutants", "src/store/b.cc", "int rule() { return 3; }\n", "matches 0 times"),
    ("mutants", "src/store/b.cc", "int rule() { return 1; }\nint same() { return 1; }\n", "matches 2 times"),
    ("mutants", "tools/mutants.toml", '[[mutant]]\nname = "m"\n', "missing or unknown fields"),
]


@pytest.fixture
def repository(tmp_path):
    shutil.copytree(ROOT / "tools/check", tmp_path / "tools/check", ignore=shutil.ignore_patterns("__pycache__"))
    for program in ("mutants.py", "stores.py"):
        shutil.copy(ROOT / "tools" / program, tmp_path / "tools")
    shutil.copy(ROOT / ".clang-format", tmp_path)
    for name, contents in GOOD.items():
        write(tmp_path, name, contents)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    return tmp_path


def write(repository, name, contents):
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(contents)


def check(repository, name):
    done = subprocess.run([sys.executable, repository / f"tools/check/{name}.py"], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["layers", "links", "text", "format", "mutants", "examples", "failures", "stores"])
def test_a_good_repository_passes(repository, name):
    assert check(repository, name) == (0, "")


@pytest.mark.parametrize("name, file, contents, message", BROKEN)
def test_a_broken_rule_is_named(repository, name, file, contents, message):
    write(repository, file, contents)
    code, said = check(repository, name)
    assert code != 0 and message in said, said
