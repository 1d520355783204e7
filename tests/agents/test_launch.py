"""`omlx launch` and `omlx env` on a real daemon; the agent's program is a probe that tells what it was given."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli import agents
from tests.e2e.conftest import CLI, Home, make_home
from tests.worker.models import TEMPLATE, write_model

PROBE = '#!/bin/sh\nenv -0 > "$PROBE.env"\nfor word; do printf "%s\\0" "$word"; done > "$PROBE.args"\nexit 7\n'


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """Return a home with one model, whose daemon is stopped afterwards."""
    folder = write_model(tmp_path_factory.mktemp("models") / "tiny")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    made = make_home(tmp_path_factory.mktemp("launch"), folder)
    yield made
    made.stop()


def launched(home: Home, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `omlx launch` with every agent's program on the PATH."""
    for name in agents.AGENTS:
        program = folder / agents.named(name).program
        program.write_text(PROBE)
        program.chmod(0o755)
    environ = {**home.environment, "PATH": f"{folder}:/usr/bin:/bin", "PROBE": str(folder / "probe"), **more}
    return subprocess.run(
        [*CLI, "launch", *words], env=environ, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )


def seen(folder: Path) -> tuple[dict[str, str], list[str]]:
    environ = dict(part.split("=", 1) for part in (folder / "probe.env").read_text().split("\0") if part)
    return environ, (folder / "probe.args").read_text().split("\0")[:-1]


def test_the_program_gets_address_model_and_arguments_and_its_exit_code_is_kept(home: Home, tmp_path: Path) -> None:
    done = launched(
        home, tmp_path, "claude", "-m", "tiny", "--", "-p", "hi there", "--model", "x", ANTHROPIC_API_KEY="s"
    )
    assert (done.returncode, done.stdout, done.stderr) == (7, "", "")
    environ, arguments = seen(tmp_path)
    assert arguments == ["-p", "hi there", "--model", "x"]
    assert environ["ANTHROPIC_BASE_URL"] == home.base_url
    assert environ["ANTHROPIC_MODEL"] == environ["ANTHROPIC_DEFAULT_HAIKU_MODEL"] == "tiny"
    assert environ["ANTHROPIC_AUTH_TOKEN"]
    assert "ANTHROPIC_API_KEY" not in environ


def test_claude_says_which_context_it_believes_in_unless_the_settings_do(home: Home, tmp_path: Path) -> None:
    config = home.path / "config.toml"
    before = config.read_text()
    settings = {
        "": "x-omlx-client-window: 200000",
        "[anthropic]\nclient_window = 100000\n": None,
        '[models."TINY"]\nclient_window = 0\n': None,
        '[models."other"]\nclient_window = 0\n': "x-omlx-client-window: 200000",
    }
    try:
        for added, header in settings.items():
            config.write_text(before + added)
            assert launched(home, tmp_path, "claude", "-m", "tiny").returncode == 7
            assert seen(tmp_path)[0].get("ANTHROPIC_CUSTOM_HEADERS") == header
    finally:
        config.write_text(before)


def test_codex_gets_its_provider_before_its_own_arguments(home: Home, tmp_path: Path) -> None:
    assert launched(home, tmp_path, "codex", "--model", "tiny", "--", "exec", "x").returncode == 7
    arguments = seen(tmp_path)[1]
    assert f'model_providers.omlx.base_url="{home.base_url}/v1"' in arguments
    assert arguments[-2:] == ["exec", "x"]
    assert not any("env_key" in word for word in arguments)


@pytest.mark.parametrize("name", agents.AGENTS)
def test_env_and_print_env_say_what_a_launch_does(home: Home, tmp_path: Path, name: str) -> None:
    told = json.loads(home.run("env", name, "-m", "tiny", "--json").stdout)
    assert launched(home, tmp_path, name, "-m", "tiny").returncode == 7
    environ, arguments = seen(tmp_path)
    assert {key: environ[key] for key in told["environment"]} == told["environment"]
    assert arguments == told["arguments"]
    printed = home.run("env", name, "-m", "tiny")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert home.run("launch", name, "-m", "tiny", "--print-env").stdout == printed.stdout


def test_settings_are_written_only_when_asked_for(home: Home, tmp_path: Path) -> None:
    user = tmp_path / "user"
    user.mkdir()
    launched(home, tmp_path, "claude", "-m", "tiny", HOME=str(user))
    assert not any(user.iterdir())
    done = launched(home, tmp_path, "claude", "-m", "tiny", "--write-config", HOME=str(user))
    path = user / ".claude" / "settings.json"
    assert (done.returncode, done.stdout) == (0, f"written: {path}\n")
    assert json.loads(path.read_text())["env"]["ANTHROPIC_BASE_URL"] == home.base_url
    again = launched(home, tmp_path, "claude", "-m", "tiny", "--write-config", HOME=str(user))
    assert again.stdout == f"{path} says so already\n"


def test_what_cannot_be_run_says_what_to_do(home: Home, tmp_path: Path) -> None:
    unknown = home.run("launch", "emacs")
    assert unknown.returncode == 2
    assert "'claude', 'codex', 'opencode', 'qwen'" in unknown.stderr
    missing = subprocess.run(
        [*CLI, "launch", "codex", "-m", "tiny"], env={**home.environment, "PATH": str(tmp_path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert missing.returncode == 3
    assert missing.stderr.splitlines() == [
        "error: Codex CLI is not installed: there is no 'codex' on the PATH",
        "hint: npm install -g @openai/codex",
    ]
    nowhere = launched(home, tmp_path, "claude", "-m", "nothing-like-it")
    assert nowhere.returncode == 3
    assert nowhere.stderr.startswith("error: ")
    both = launched(home, tmp_path, "claude", "--print-env", "--write-config")
    assert both.returncode == 2


def test_a_key_is_passed_on_or_asked_for(home: Home, tmp_path: Path) -> None:
    key = home.run("key", "create", "agent", "-q").stdout.strip()
    try:
        asked = launched(home, tmp_path, "qwen", "-m", "tiny")
        assert asked.returncode == 6
        assert "omlx key create -q agent" in asked.stderr
        assert launched(home, tmp_path, "qwen", "-m", "tiny", OMLX_API_KEY=key).returncode == 7
        assert seen(tmp_path)[0]["OPENAI_API_KEY"] == key
        assert launched(home, tmp_path, "codex", "-m", "tiny", OMLX_API_KEY=key).returncode == 7
        environ, arguments = seen(tmp_path)
        assert environ["OMLX_API_KEY"] == key
        assert not any(key in word for word in arguments)
        assert 'model_providers.omlx.env_key="OMLX_API_KEY"' in arguments
    finally:
        assert home.run("key", "rm", "agent").returncode == 0
