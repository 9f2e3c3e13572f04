"""The same name on the command line, in the environment and in the configuration file, on the real program."""
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def filled(bucket):
    for number in range(9):
        bucket.write(f"{number}.txt", f"object {number} of the harbour\n")
    bucket.sync()
    return bucket


def count(bucket, *words):
    return len(bucket.ask("search", "object of the harbour", "--snippets", "none", "--index", "docs/.kedge", *words)["results"])


def test_flags_go_before_the_environment_and_that_before_the_file(filled):
    assert count(filled) == 9
    (filled.folder / "kedge.toml").write_text("results = 3\n")
    assert count(filled) == 3
    filled.environment["KEDGE_RESULTS"] = "4"
    assert count(filled) == 4
    assert count(filled, "-k", "5") == 5
    filled.environment["KEDGE_RESULTS"] = ""
    assert count(filled) == 3


def test_a_switch_of_the_file_can_be_turned_off(filled):
    (filled.folder / "kedge.toml").write_text('json = true\nindex = "docs/.kedge"\n')
    assert json.loads(filled.run("status").stdout)["generation"] > 0
    assert filled.run("status", "--json=false").stdout.startswith(b"index ")


def test_the_first_file_that_exists_counts(filled):
    user = filled.folder / ".config/kedge/config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("results = 2\n")
    filled.environment.pop("XDG_CONFIG_HOME", None)
    assert count(filled) == 2
    (filled.folder / "kedge.toml").write_text("results = 3\n")
    assert count(filled) == 3
    (filled.folder / "other.toml").write_text("results = 4\n")
    filled.environment["KEDGE_CONFIG"] = "other.toml"
    assert count(filled) == 4
    assert count(filled, "--config", "kedge.toml") == 3
    filled.environment["KEDGE_CONFIG"] = ""  # none at all
    assert count(filled) == 9
    assert b"missing.toml" in filled.run("status", "--config", "missing.toml", code=2).stderr


@pytest.mark.parametrize("text, said", [
    ("results = 3\nreslts = 4\n", b"kedge.toml, line 2: reslts: no option has this name: did you mean results?"),
    ("\napprove = 5\n", b"kedge.toml, line 2: approve: is for one run"),
    ("[sync]\nhidden = true\n", b"kedge.toml, line 1: sync: must be a text, a number"),
    ("hidden = 1\n", b"kedge.toml, line 1: hidden: must be true or false"),
    ("results = 'many'\n", b"kedge.toml, line 1: results: 'many' is not a whole number"),
    ("group = 'chunks'\n", b"kedge.toml, line 1: group: 'chunks' is not one of object chunk"),
    ("results = \n", b"kedge.toml, line 1: "),
    ("[store]\nurl = 's3://a'\n", b"kedge.toml, line 1: store: must be written as [[store]]"),
    ("[[store]]\nregion = 'x'\n", b"kedge.toml, line 1: store: needs a url"),
    ("[[store]]\nurl = 's3://a'\nregin = 'x'\n", b"line 3: regin: no option has this name: did you mean region?"),
    ("[[store]]\nurl = 's3://a'\nindex = 'x'\n", b"line 3: index: no option has this name"),
    ("[[store]]\nurl = 's3://a'\naddressing = 'dns'\n", b"line 3: addressing: 'dns' is not one of auto path virtual"),
])
def test_what_is_wrong_is_refused_with_its_line(filled, text, said):
    (filled.folder / "kedge.toml").write_text(text)
    # By every command, not only by the one that would read the key.
    for command in (["status"], ["search", "x"], ["sync", "docs"]):
        assert said in filled.run(*command, code=2).stderr


def test_a_repeated_option_is_a_list(filled):
    (filled.folder / "kedge.toml").write_text('include = ["1.txt", "2.txt"]\n')
    assert filled.sync("--approve", "7")["listed"] == 2
    (filled.folder / "kedge.toml").unlink()
    assert filled.sync()["listed"] == 2  # the index remembers its scope
    assert filled.sync("--include=")["listed"] == 9  # until it is told to forget it


# ./dev hands its variables on to the kedge that it runs: one that is also an option's would be read as that option.
def test_no_variable_of_the_tooling_is_an_option():
    options = set(re.findall(r"`(KEDGE_\w+)`", (ROOT / "docs/cli.md").read_text(encoding="utf-8")))
    assert {"KEDGE_INDEX", "KEDGE_CACHE"} <= options
    for path in [ROOT / "dev", ROOT / "src/api/model_locator.cc", *(ROOT / "tools").rglob("*.py"), *(ROOT / "bench").glob("*.py")]:
        used = set(re.findall(r"\bKEDGE_[A-Z_]+\b", path.read_text(encoding="utf-8")))
        assert not used & options, path
