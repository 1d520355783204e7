"""Completion as people meet it: a real shell on a terminal, keys in, the line out; no Python is started for it."""

from __future__ import annotations

from pathlib import Path

from omlx_cli.cli import COMMANDS
from tests.packaging.conftest import NAMES
from tests.packaging.shells import Shell

CASES = {
    "omlx doc": "omlx doctor",
    "omlx cache pru": "omlx cache prune",
    "omlx --json cache pru": "omlx --json cache prune",
    "omlx load mlx": "omlx load mlx-community/Qwen3-0.6B-4bit",
    "omlx load gemma3:2": "omlx load gemma3:270m",
    "omlx load --ttl 10m gemma3:2": "omlx load --ttl 10m gemma3:270m",
    "omlx rm smollm2 gemma3:1b gemma3:2": "omlx rm smollm2 gemma3:1b gemma3:270m",
    "omlx unload s": "omlx unload smollm2",
    "omlx load --estim": "omlx load --estimate-only",
    "omlx cache prune --model ml": "omlx cache prune --model mlx-community/Qwen3-0.6B-4bit",
    "omlx cache prune --model=ml": "omlx cache prune --model=mlx-community/Qwen3-0.6B-4bit",
    "omlx cache prune --model=gemma3:2": "omlx cache prune --model=gemma3:270m",
    "omlx cache import arch": "omlx cache import archive.tar",
    "omlx completion fi": "omlx completion fish",
    "omlx config set server.po": "omlx config set server.port",
    "omlx help exit": "omlx help exit-codes",
    "omlx pull qwen3:0": "omlx pull qwen3:0.6b",
    "omlx load odd": "omlx load odd name",
    "omlx laun": "omlx launch",
    "omlx launch co": "omlx launch codex",
    "omlx launch claude --model smollm2:": "omlx launch claude --model smollm2:135m",
    "omlx launch claude -- arch": "omlx launch claude -- archive.tar",
    "omlx env codex -m gemma3:2": "omlx env codex -m gemma3:270m",
    "omlx env codex --shell f": "omlx env codex --shell fish",
    "omlx key cr": "omlx key create",
    "omlx key create laptop --scope con": "omlx key create laptop --scope control",
    "omlx cache expl": "omlx cache explain",
}


def test_tab_completes(shell: Shell) -> None:
    assert {typed: shell.complete(typed) for typed in CASES} == CASES


def test_what_is_offered(shell: Shell) -> None:
    assert shell.offered("omlx ") == set(COMMANDS)
    assert shell.offered("omlx key ") == {"create", "ls", "rm"}
    assert {"--scope", "--priority", "--share-cache"} <= shell.offered("omlx key create -")
    assert {"--model", "--print-env", "--write-config"} <= shell.offered("omlx launch -")
    assert shell.offered("omlx self ") == {"install-shim", "path", "uninstall"}
    assert {"--older-than", "--dry-run", "--yes", "-y", "--json"} <= shell.offered("omlx cache prune -")
    assert shell.offered("omlx load gem") == {"gemma3:1b", "gemma3:270m"}
    assert shell.offered("omlx unload ") == {"smollm2"}
    assert shell.offered("omlx completion ") == {"bash", "zsh", "fish"}


def test_without_a_daemon_ever_there_are_no_names_and_no_error(shell: Shell, names_home: Path) -> None:
    for name in ("models.txt", "loaded.txt"):
        (names_home / "run" / name).unlink()
    assert shell.complete("omlx show smol") == "omlx show smol"
    assert shell.complete("omlx doc") == "omlx doctor"


def test_a_name_is_never_run(shell: Shell, names_home: Path) -> None:
    folder = shell.folder
    (names_home / "run" / "models.txt").write_text(f"$(>{folder}/broken)x\n`>{folder}/broken`\nsmollm2\n")
    assert shell.complete("omlx show s") == "omlx show smollm2"
    assert "smollm2" in shell.offered("omlx show ")
    assert not (folder / "broken").exists()


def test_the_names_of_the_test_are_names_with_all_that_a_shell_may_split() -> None:
    assert any(":" in name for name in NAMES) and any("/" in name for name in NAMES) and any(" " in n for n in NAMES)
