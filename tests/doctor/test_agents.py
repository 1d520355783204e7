"""Coding agents: what each goes by, what keeps it from being answered, and that no secret is told."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from omlx_cli import agents as known
from omlx_cli import keys
from omlx_cli.agents.agent import Place, Target
from omlx_cli.agents.writing import write
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis import agents, endpoint
from omlx_cli.diagnosis.agent_settings import READERS, Shell
from omlx_cli.diagnosis.agents import Here
from omlx_cli.diagnosis.check import Check, Verdict
from tests.cli.stand_in import StandIn
from tests.doctor.conftest import Look

SECRET = "sk-do-not-tell"
HERE = Here("127.0.0.1", 8000, answers=True, needs_key=False)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Return a user without settings, who stands in an empty project."""
    for name in ("user", "project"):
        (tmp_path / name).mkdir()
    return Shell({}, tmp_path / "user", tmp_path / "project")


def with_variables(shell: Shell, **variables: str) -> Shell:
    return Shell(variables, shell.home, shell.folder)


def put(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def told(check: Check) -> tuple[Verdict, str, str]:
    return check.verdict, check.found, check.fix


@pytest.mark.parametrize("name", known.AGENTS)
def test_an_agent_without_settings_asks_its_own_service(shell: Shell, name: str) -> None:
    found = f"{name} asks its own service; omlx launch {name} runs it on this daemon"
    assert told(agents.of_agent(name, shell, HERE)) == (Verdict.OK, found, "")


@pytest.mark.parametrize("name", known.AGENTS)
def test_settings_that_are_a_pipe_are_not_waited_for(shell: Shell, name: str) -> None:
    configuration = known.named(name).configuration(Target(HERE.url, "smollm2", ""), Place(shell.home, {}))
    configuration.path.parent.mkdir(parents=True)
    os.mkfifo(configuration.path)
    check = agents.of_agent(name, shell, HERE)
    assert check.verdict is Verdict.WARNING
    assert check.found.startswith(f"{name}: {configuration.path} cannot be read: it is a pipe")
    with pytest.raises(OmlxError, match="it is a pipe"):
        write(configuration)


@pytest.mark.parametrize("name", known.AGENTS)
@pytest.mark.parametrize("key", ["", "omlx-real"])
def test_what_omlx_writes_is_understood(shell: Shell, name: str, key: str) -> None:
    shell = with_variables(shell, OMLX_API_KEY=key) if key else shell
    written = known.named(name).configuration(Target(HERE.url, "smollm2", key), Place(shell.home, {}))
    write(written)
    check = agents.of_agent(name, shell, HERE)
    assert check.verdict is Verdict.OK
    assert check.found.startswith(f"{name} asks this daemon, http://127.0.0.1:8000{READERS[name].path} (")
    assert str(written.path) in check.found
    locked = agents.of_agent(name, shell, Here("127.0.0.1", 8000, answers=True, needs_key=True))
    assert locked.verdict is (Verdict.OK if key else Verdict.WARNING)
    assert "omlx-real" not in str(locked)
    moved = agents.of_agent(name, shell, Here("127.0.0.1", 1, answers=True, needs_key=False))
    assert moved.found.endswith("where nobody listens; this daemon is at http://127.0.0.1:1")
    assert moved.fix == f"omlx launch {name} --write-config"


@pytest.mark.parametrize("name", ["claude", "opencode", "qwen"])
def test_what_omlx_exports_is_understood(shell: Shell, name: str) -> None:
    launch = known.named(name).launch(Target(HERE.url, "smollm2"))
    check = agents.of_agent(name, with_variables(shell, **launch.environment), HERE)
    assert (check.verdict, " asks this daemon, " in check.found) == (Verdict.OK, True)


def test_the_usual_slips_with_the_path(shell: Shell) -> None:
    wrong = with_variables(
        shell, ANTHROPIC_BASE_URL="http://localhost:8000/v1", OPENAI_BASE_URL="http://localhost:8000/"
    )
    assert told(agents.of_agent("claude", wrong, HERE)) == (
        Verdict.WARNING, "claude: the URL in ANTHROPIC_BASE_URL ends in /v1, and should end in none",
        'eval "$(omlx env claude)"',
    )  # fmt: skip
    assert agents.of_agent("qwen", wrong, HERE).found.endswith("ends in no path, and should end in /v1")
    tls = with_variables(shell, ANTHROPIC_BASE_URL="https://127.0.0.1:8000")
    assert agents.of_agent("claude", tls, HERE).found.endswith("https://127.0.0.1:8000, and the daemon speaks http")
    odd = with_variables(shell, ANTHROPIC_BASE_URL="127.0.0.1:8000")
    assert agents.of_agent("claude", odd, HERE).found == "claude: the URL in ANTHROPIC_BASE_URL is no http URL"


def test_files_come_before_the_shell_and_those_of_the_project_first(shell: Shell) -> None:
    shell = with_variables(shell, ANTHROPIC_BASE_URL="http://127.0.0.1:8000")
    own = put(shell.home / ".claude" / "settings.json", '{"env": {"ANTHROPIC_BASE_URL": "http://own.example"}}')
    assert agents.of_agent("claude", shell, HERE).found == (
        f"claude asks another server, http://own.example:80 (ANTHROPIC_BASE_URL in {own})"
    )
    project = put(shell.folder / ".claude" / "settings.json", '{"env": {"ANTHROPIC_BASE_URL": "http://localhost:1"}}')
    check = agents.of_agent("claude", shell, HERE)
    assert str(project) in check.found
    assert check.fix == f'"${{EDITOR:-vi}}" {project}'


def test_another_server_on_this_machine_is_no_fault_while_it_listens(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        here = with_variables(shell, OPENAI_BASE_URL=f"http://127.0.0.1:{port}/v1")
        assert agents.of_agent("qwen", here, HERE).verdict is Verdict.OK
    check = agents.of_agent("qwen", here, HERE)
    assert (check.verdict, check.fix) == (Verdict.WARNING, 'eval "$(omlx env qwen)"')


def test_codex_goes_by_the_provider_that_is_chosen(shell: Shell) -> None:
    put(shell.home / ".codex" / "config.toml", """
profile = "local"
model_provider = "far"
[profiles.local]
model_provider = "near"
[model_providers.far]
base_url = "https://far.example/v1"
[model_providers.near]
base_url = "http://127.0.0.1:8000/v1"
""")  # fmt: skip
    assert agents.of_agent("codex", shell, HERE).found.startswith("codex asks this daemon, ")
    elsewhere = put(shell.home / "else" / "config.toml", 'model_provider = "x"\n[model_providers.x]\nbase_url = 7\n')
    moved = with_variables(shell, CODEX_HOME=str(elsewhere.parent))
    assert agents.of_agent("codex", moved, HERE).found == f"codex: the URL in {elsewhere} is no http URL"


def test_opencode_may_write_comments(shell: Shell) -> None:
    put(shell.home / ".config" / "opencode" / "opencode.jsonc", """{
  // where "it" asks
  "model": "near/smollm2", /* not far, */
  "provider": {
    "far": {"options": {"baseURL": "https://far.example/v1"}},
    "near": {"options": {"baseURL": "http://127.0.0.1:8000/v1",}},
  },
}""")  # fmt: skip
    assert agents.of_agent("opencode", shell, HERE).found.startswith("opencode asks this daemon, ")


@pytest.mark.parametrize(
    ("name", "file", "text"),
    [
        ("claude", ".claude/settings.json", "{"),
        ("codex", ".codex/config.toml", "= 1"),
        ("opencode", ".config/opencode/opencode.json", "[1,"),
        ("qwen", ".qwen/settings.json", '{"env": nope}'),
    ],
)
def test_settings_that_cannot_be_read_are_told(shell: Shell, name: str, file: str, text: str) -> None:
    path = put(shell.home / file, text)
    check = agents.of_agent(name, shell, HERE)
    assert (check.verdict, check.fix) == (Verdict.WARNING, f'"${{EDITOR:-vi}}" {path}')
    assert check.found.startswith(f"{name}: {path} is no ")


@pytest.mark.parametrize("text", ["[]", '{"env": []}', '{"env": {"ANTHROPIC_BASE_URL": 7}}', '{"env": null}', ""])
def test_settings_of_an_odd_shape_harm_nobody(shell: Shell, text: str) -> None:
    put(shell.home / ".claude" / "settings.json", text)
    assert agents.of_agent("claude", shell, HERE).verdict in (Verdict.OK, Verdict.WARNING)


def test_no_secret_is_ever_told(shell: Shell) -> None:
    url = f"http://user:{SECRET}@127.0.0.1:8000/v1?key={SECRET}#{SECRET}"
    assert str(endpoint.parse(url)) == "http://127.0.0.1:8000/v1"
    put(shell.home / ".qwen" / ".env", f'export OPENAI_BASE_URL="{url}"\nOPENAI_API_KEY={SECRET}\n')
    put(shell.home / ".claude" / "settings.json", json.dumps({"env": {"ANTHROPIC_BASE_URL": url, "X": SECRET}}))
    put(shell.home / ".codex" / "config.toml", f'openai_base_url = "{url}"\nkey = "{SECRET}"\n')
    shell = with_variables(shell, OPENAI_API_KEY=SECRET, ANTHROPIC_API_KEY=SECRET)
    for needs_key in (True, False):
        here = Here("127.0.0.1", 8000, answers=True, needs_key=needs_key)
        found = [agents.of_agent(name, shell, here) for name in known.AGENTS]
        assert SECRET not in str(found)
    bad = put(shell.home / ".claude" / "settings.json", f'{{"env": {{"K": "{SECRET}" oops')
    assert SECRET not in str(agents.of_agent("claude", shell, HERE)), bad


def test_the_area_finds_what_is_installed(look: Look, daemon: StandIn, paths: Paths, tmp_path: Path) -> None:
    none, _ = look("agents")
    assert told(none) == (Verdict.OK, "none on the PATH of claude, codex, opencode, qwen", "")
    claude = put(tmp_path / "bin" / "claude", "#!/bin/sh\n")
    claude.chmod(0o755)
    found, _ = look("agents", ANTHROPIC_BASE_URL="http://127.0.0.1:8000")
    assert found.found == "claude asks this daemon, http://127.0.0.1:8000 (ANTHROPIC_BASE_URL)"
    keys.create(paths.keys, "laptop", "inference", "normal", False)
    locked = look("agents", ANTHROPIC_BASE_URL="http://127.0.0.1:8000")
    assert [check.name for check in locked] == ["claude", "prompt_rules"]
    assert locked[0].found.endswith("which wants an API key, and none is set")
    assert locked[0].fix == ("export OMLX_API_KEY=$(omlx key create -q claude) && omlx launch claude --write-config")


def test_variables_for_clients_of_any_kind(look: Look, paths: Paths) -> None:
    paths.config.write_text("[server]\nport = 8123\n")
    checks = look("agents", OPENAI_BASE_URL="http://127.0.0.1:8123", OPENAI_API_BASE="http://127.0.0.1:8123/v1")
    path, asleep = (check for check in checks if check.name == "environment")
    assert told(path) == (
        Verdict.WARNING, "OPENAI_BASE_URL ends in no path, and should end in /v1",
        "export OPENAI_BASE_URL=http://127.0.0.1:8123/v1",
    )  # fmt: skip
    assert told(asleep) == (
        Verdict.WARNING, "OPENAI_API_BASE is this daemon, which a connection does not start", "omlx start",
    )  # fmt: skip


def test_a_daemon_without_a_port_yet(look: Look, paths: Paths) -> None:
    paths.config.write_text("[server]\nport = 0\n")
    check, *_ = look("agents", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert (check.verdict, check.fix) == (Verdict.WARNING, "omlx start")
    assert check.found.endswith("where nobody listens; this daemon has no port until it runs")


def test_nothing_of_the_agents_is_changed(shell: Shell) -> None:
    file = put(shell.home / ".claude" / "settings.json", '{"env": {"ANTHROPIC_BASE_URL": "http://localhost:1"}}')
    os.utime(file, (1, 1))
    agents.of_agent("claude", shell, HERE)
    assert file.stat().st_mtime == 1
    assert sorted(path.name for path in shell.home.rglob("*")) == [".claude", "settings.json"]
