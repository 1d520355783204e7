"""The generated files: up to date, clean, and of a bash that macOS still has."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from omlx_cli.contract.paths import Paths
from scripts.generate import tree
from scripts.generate.__main__ import stale
from tests.packaging.conftest import needs
from tests.packaging.shells import COMPLETIONS, ROOT

PAGES = sorted((ROOT / "man").glob("*.1"))
NEWER_THAN_BASH_3 = (
    r"\bmapfile\b|\breadarray\b|\bcompopt\b|\bcoproc\b|declare -[A-Zg]|local -[An]|\$\{\w+(,|\^)|\$\{\w+@|&>>|\|&|;;?&"
    r"|\[\[ -v |\[-\d+\]|: -\d+\}|-o nosort|printf '%\("
)


def test_every_file_is_as_the_commands_are() -> None:
    """`make generate` writes what is out of date."""
    assert stale() == []


def test_bash_needs_nothing_that_3_2_has_not() -> None:
    text = (COMPLETIONS / "omlx.bash").read_text()
    assert not re.findall(NEWER_THAN_BASH_3, text)
    assert re.findall(NEWER_THAN_BASH_3, "mapfile -t x; ${x,,}; x[-1]; compopt -o nospace")


def test_the_names_are_read_where_the_daemon_writes_them() -> None:
    paths = Paths(Path("/home"))
    for name in ("omlx.bash", "_omlx", "omlx.fish"):
        text = (COMPLETIONS / name).read_text()
        assert paths.model_names.name in text and paths.loaded_names.name in text
    assert paths.model_names.parent == paths.run == Path("/home/run")


@needs("shellcheck")
def test_shellcheck_finds_nothing_in_the_bash_script() -> None:
    done = subprocess.run(
        ["shellcheck", "-s", "bash", str(COMPLETIONS / "omlx.bash")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@needs("mandoc")
def test_mandoc_warns_of_nothing() -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", "-W", "warning", *map(str, PAGES)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs("groff")
def test_groff_warns_of_nothing() -> None:
    for page in PAGES:
        done = subprocess.run(
            ["groff", "-man", "-ww", "-z", "-Tutf8", str(page)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), page


@needs("man")
@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("omlx.1", "omlx \u2010 run language models on this machine"),
        ("omlx-cache-prune.1", "omlx cache prune --older-than 7d"),
        ("omlx-self-install-shim.1", "~/.omlx/bin/omlx"),
        ("omlx-key-create.1", "--scope inference|control"),
        ("omlx-launch.1", "omlx launch [OPTION ...] TOOL [-- ARGUMENTS...]\n"),
        ("omlx-env.1", "--model MODEL"),
        ("omlx-cache-explain.1", "omlx cache explain [OPTION ...] [REQUEST]"),
    ],
)
def test_man_shows_a_page(page: str, said: str) -> None:
    done = subprocess.run(
        ["man", "-l", str(ROOT / "man" / page)],
        env={
            "PATH": "/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "MANWIDTH": "200",
            "MANPAGER": "cat",
            "MAN_KEEP_FORMATTING": "",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert said.replace("\u2010", "-") in re.sub("[\u2010\u2212]", "-", done.stdout)


def test_there_is_a_page_for_every_command() -> None:
    names = {f"{'-'.join(command.words)}.1" for command in tree.walk(tree.commands())}
    assert {page.name for page in PAGES} == names


@pytest.mark.parametrize(("shell", "name"), [("bash", "omlx.bash"), ("zsh", "_omlx"), ("fish", "omlx.fish")])
def test_omlx_completion_prints_the_script(shell: str, name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "omlx_cli", "completion", shell], capture_output=True, text=True, check=True
    )
    assert done.stdout == (COMPLETIONS / name).read_text()
    assert done.stderr == ""


def test_omlx_completion_of_another_shell_is_refused_in_one_line() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-m", "omlx_cli", "completion", "tcsh"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "'bash', 'zsh', 'fish'" in done.stderr
