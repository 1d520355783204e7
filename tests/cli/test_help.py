"""`omlx help`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from omlx_cli.contract.errors import MEANINGS, Exit
from tests.cli.conftest import Omlx

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def test_every_exit_code_is_explained_with_its_errors(omlx: Omlx) -> None:
    ran = omlx("help", "exit-codes")
    assert (ran.code, ran.err) == (0, "")
    meanings, errors = ran.out.split("\n\n")[0::2]
    assert [int(line.split()[0]) for line in meanings.splitlines()[1:]] == list(Exit)
    listed = {line.split()[1]: int(line.split()[0]) for line in errors.splitlines()[1:]}
    assert listed == {code.value: int(meaning.exit) for code, meaning in MEANINGS.items()}


def test_the_docs_and_the_help_agree(omlx: Omlx) -> None:
    rows = json.loads(omlx("help", "exit-codes", "--json").out)["exit_codes"]
    section = DOCS.read_text().split("## Exit codes")[1]
    documented = [line.split("|")[1:3] for line in section.splitlines() if line.startswith("| ") and "---" not in line]
    assert [int(code) for code, _ in documented[1:]] == [row["code"] for row in rows]
    for (_, meaning), row in zip(documented[1:], rows, strict=True):
        assert meaning.strip().split()[0] == row["meaning"].split()[0]


def test_the_roots_help_leads_there(omlx: Omlx) -> None:
    assert "omlx help exit-codes" in omlx("--help").out


@pytest.mark.parametrize("words", [("ls",), ("cache",), ("cache", "prune"), ("config", "get")])
def test_a_commands_help_is_its_own(omlx: Omlx, words: tuple[str, ...]) -> None:
    assert omlx("help", *words).out == omlx(*words, "--help").out
    assert omlx("help").out == omlx("--help").out


@pytest.mark.parametrize("words", [("exit-code",), ("lss",), ("cache", "fly"), ("ls", "more"), ("-x",)])
def test_what_is_not_there_has_no_help(omlx: Omlx, words: tuple[str, ...]) -> None:
    ran = omlx("help", *words)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error: ")
