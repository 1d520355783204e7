"""An agent's own settings: merged, copied first, never half written."""

from __future__ import annotations

import json
import os
import stat
import tempfile
import tomllib
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest

from omlx_cli import agents
from omlx_cli.agents.agent import Place, Target
from omlx_cli.agents.writing import write
from omlx_cli.contract.errors import Code, OmlxError

TARGET = Target(base_url="http://127.0.0.1:8000", model="it's", key="k", context_tokens=4096)


@pytest.mark.parametrize("name", agents.AGENTS)
def test_a_new_file_holds_the_settings_and_nothing_is_written_twice(name: str, tmp_path: Path) -> None:
    configuration = agents.named(name).configuration(TARGET, Place(tmp_path))
    written = write(configuration)
    assert written == (configuration.path, None)
    assert stat.S_IMODE(configuration.path.stat().st_mode) == 0o600
    text = configuration.path.read_text()
    found = tomllib.loads(text) if configuration.path.suffix == ".toml" else json.loads(text)
    assert found == configuration.values
    assert write(configuration) is None
    assert [*configuration.path.parent.iterdir()] == [configuration.path]


def test_what_was_there_stays_beside_it_and_as_a_copy(tmp_path: Path) -> None:
    path = tmp_path / ".codex" / "config.toml"
    path.parent.mkdir()
    before = '# mine\nmodel = "o"  # once\n\n[model_providers.other]\nname = "other"\n\n[tui]\ntheme = "dark"\n'
    path.write_text(before)
    path.chmod(0o640)
    written = write(agents.named("codex").configuration(TARGET, Place(tmp_path)))
    assert written is not None
    assert written[1] is not None
    assert written[1].read_text() == before
    text = path.read_text()
    found = tomllib.loads(text)
    assert "# mine" in text
    assert (found["model"], found["tui"]) == ("it's", {"theme": "dark"})
    assert set(found["model_providers"]) == {"other", "omlx"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("name", ["claude", "opencode", "qwen"])
def test_a_file_that_gets_a_key_is_its_owners_alone(name: str, tmp_path: Path) -> None:
    for key, mode in (("", 0o644), ("a-key", 0o600)):
        target = replace(TARGET, key=key)
        configuration = agents.named(name).configuration(target, Place(tmp_path / (key or "none")))
        configuration.path.parent.mkdir(parents=True)
        configuration.path.write_text("{}")
        configuration.path.chmod(0o644)
        write(configuration)
        assert stat.S_IMODE(configuration.path.stat().st_mode) == mode
        assert ("a-key" in configuration.path.read_text()) == bool(key)


def test_lists_of_models_keep_other_models(tmp_path: Path) -> None:
    path = tmp_path / ".qwen" / "settings.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"modelProviders": {"openai": [{"id": "other"}, {"id": "it's", "old": 1}]}}))
    write(agents.named("qwen").configuration(TARGET, Place(tmp_path)))
    models = json.loads(path.read_text())["modelProviders"]["openai"]
    assert [model["id"] for model in models] == ["other", "it's"]
    assert "old" not in models[1]


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff", b'{"env": 3}'])
def test_a_file_that_cannot_be_read_stays_as_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(OmlxError) as failed:
        write(agents.named("claude").configuration(TARGET, Place(tmp_path)))
    assert failed.value.body.code is Code.INVALID_CONFIG
    assert str(path) in failed.value.body.message
    assert path.read_bytes() == content
    assert [*path.parent.iterdir()] == [path]


def test_folders_that_variables_name(tmp_path: Path) -> None:
    moved = {"CLAUDE_CONFIG_DIR": "/a", "CODEX_HOME": "/b", "XDG_CONFIG_HOME": "/c"}
    paths = [agents.named(name).configuration(TARGET, Place(tmp_path, moved)).path for name in agents.AGENTS]
    assert [str(path) for path in paths] == [
        "/a/settings.json", "/b/config.toml", "/c/opencode/opencode.json", f"{tmp_path}/.qwen/settings.json",
    ]  # fmt: skip


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    (tmp_path / ".claude").mkdir()
    link = tmp_path / ".claude" / "settings.json"
    link.symlink_to(real)
    write(agents.named("claude").configuration(TARGET, Place(tmp_path)))
    assert link.is_symlink()
    assert json.loads(real.read_text())["env"]["ANTHROPIC_BASE_URL"] == TARGET.base_url


def test_no_file_takes_the_place_of_a_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = agents.named("claude").configuration(TARGET, Place(tmp_path))
    configuration.path.parent.mkdir()
    configuration.path.symlink_to(os.devnull)
    # Whatever happens: this machine's own device is not written over.
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", Mock(side_effect=AssertionError("nothing is to be written")))
    with pytest.raises(OmlxError) as failed:
        write(configuration)
    assert failed.value.body.code is Code.HOME_UNUSABLE
    assert "it is a device" in failed.value.body.message
