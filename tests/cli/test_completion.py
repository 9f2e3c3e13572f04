"""The completion scripts, loaded by the shells that they are for, and docs/cli.md, which comes from the same tables."""
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bucket import KEDGE

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/cli.md"
COMMANDS = ["sync", "search", "similar", "get", "status", "verify", "gc", "history", "rollback", "pin add", "pin list",
            "pin remove", "source list", "source remove", "drop", "doctor", "completion", "help", "version"]


@pytest.fixture
def folder(bucket):
    for name in ("docs", "notes", "no te"):
        (bucket.folder / name).mkdir(exist_ok=True)
    (bucket.folder / "kedge.toml").touch()
    return bucket


def complete(bucket, *words):
    """What bash would offer for the last of these words."""
    script = ('source <("$0" completion bash); COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); _kedge; '
              'printf "%s\\n" "${COMPREPLY[@]}"; complete -p kedge >&2')
    done = subprocess.run(["bash", "--norc", "-c", script, KEDGE, "kedge", *words], cwd=bucket.folder,
                          env=bucket.environment, capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "complete -F _kedge kedge\n"
    return sorted(line for line in done.stdout.split("\n") if line)


@pytest.mark.parametrize("words, offered", [
    (["se"], ["search"]),
    (["so"], ["source"]),
    (["--v"], ["--version"]),
    (["pin", ""], ["add", "list", "remove"]),
    (["source", "r"], ["remove"]),
    (["pin", "add", "--q"], ["--quiet"]),
    (["sync", "--in"], ["--include", "--index"]),
    (["sync", "n"], ["no te", "notes"]),  # a path: names with spaces are whole
    (["sync", "k"], ["kedge.toml"]),
    (["verify", "k"], []),                # folders only
    (["sync", "--include", "n"], []),     # a pattern: nothing to offer
    (["search", "words", "--group", ""], ["chunk", "object"]),
    (["search", "--group", "c"], ["chunk"]),
    (["search", "--group", "=", "o"], ["object"]),  # as bash cuts --group=o
    (["search", "--group", "="], ["chunk", "object"]),
    (["search", "--group=c"], ["--group=chunk"]),  # where '=' does not break words
    (["search", "--snippets", ""], ["none", "source"]),
    (["search", "--mode", ""], ["dense"]),
    (["search", "-k", "--"], []),  # -k takes a value
    (["search", "--index", "d"], ["docs"]),
    (["status", "--config", "k"], ["kedge.toml"]),
    (["get", "-o", "ke"], ["kedge.toml"]),
    (["get", "--", "--ou"], []),  # no option after --
    (["completion", ""], ["bash", "fish", "zsh"]),
    (["help", "dr"], ["drop"]),
    (["version", "--"], ["--help", "--json"]),
    (["nonsense", ""], []),
])
def test_bash_offers(folder, words, offered):
    assert complete(folder, *words) == offered


# Nothing is left out and nothing is invented: what the help of each command lists is what is completed.
@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_the_help_is_completed(folder, command):
    shown = folder.run(*command.split(), "--help").stdout.decode().split("examples:")[0]
    options = {line.split("--")[1].split()[0] for line in shown.splitlines() if line.lstrip().startswith("-")}
    assert {word.removeprefix("--") for word in complete(folder, *command.split(), "--")} == options
    assert "markdown" not in options
    zsh, fish = (folder.run("completion", shell).stdout.decode() for shell in ("zsh", "fish"))
    branch = zsh.split(f"('{command}')\n")[1].split(";;")[0]
    for option in options:
        assert f"--{option}[" in branch or f"--{option}=[" in branch, option
        assert re.search(f"__kedge_is {command}'.* -l {option} ", fish), option


def test_zsh_reads_its_script(folder):
    script = folder.run("completion", "zsh").stdout
    assert script.startswith(b"#compdef kedge\n")
    zsh = shutil.which("zsh")
    if not zsh:
        pytest.skip("SKIPPED: no zsh here: its completion was compared with the help only")
    (folder.folder / "_kedge").write_bytes(script)
    subprocess.run([zsh, "-n", folder.folder / "_kedge"], check=True, timeout=60)


def test_fish_offers(folder):
    script = folder.run("completion", "fish").stdout
    fish = shutil.which("fish")
    if not fish:
        pytest.skip("SKIPPED: no fish here: its completion was compared with the help only")
    (folder.folder / "script.fish").write_bytes(script)
    for line, offered in (("kedge se", ["search"]), ("kedge pin ", ["add", "list", "remove"]),
                          ("kedge search --group ", ["chunk", "object"]), ("kedge search --sn", ["--snippets"]),
                          ("kedge completion ", ["bash", "fish", "zsh"]), ("kedge sync n", ["no te/", "notes/"]),
                          ("kedge status --config k", ["kedge.toml"])):
        done = subprocess.run([fish, "--no-config", "-c", f"source script.fish; complete -C '{line}'"], check=True,
                              cwd=folder.folder, env={**folder.environment, "XDG_DATA_HOME": str(folder.folder)},
                              capture_output=True, text=True, timeout=60)
        assert sorted(answer.split("\t")[0] for answer in done.stdout.splitlines()) == offered, line


def test_completion_and_help_need_no_configuration(folder):
    (folder.folder / "kedge.toml").write_text("this is no TOML")
    for words in (["completion", "bash"], ["help"], ["version"], ["sync", "--help"]):
        folder.run(*words)
    assert b"SHELL: 'tcsh' is not one of bash zsh fish" in folder.run("completion", "tcsh", code=2).stderr


def test_the_document_is_what_the_program_says(folder):
    shown = folder.run("help", "--markdown").stdout.decode()
    assert DOCUMENT.read_text(encoding="utf-8") == shown, "run: ./dev run help --markdown > docs/cli.md"
    for command in COMMANDS:
        assert f"\n## kedge {command}\n" in shown


def test_help_is_asked_in_every_way(folder):
    assert folder.run("help", "pin", "add").stdout == folder.run("pin", "add", "--help").stdout
    assert folder.run("help", "pin").stdout == folder.run("pin", "-h").stdout
    assert folder.run("help").stdout == folder.run("--help").stdout
    assert b"usage: kedge COMMAND" in folder.run(code=2).stderr  # nothing was asked: nothing goes to standard output
    assert b"there is no command 'serch'" in folder.run("help", "serch", code=2).stderr
