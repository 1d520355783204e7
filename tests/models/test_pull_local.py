"""Pulls of folders and files that are on this machine already."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.errors import Code
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import Settings
from omlx_daemon.models.registry import Registry
from tests.models.conftest import Fetch, child, done, failed
from tests.models.folders import model_files, weights, write_model
from tests.models.gguf_files import File, model_of


def test_a_folder_is_imported_under_its_own_name_or_another(fetch: Fetch, tmp_path: Path, paths: Paths) -> None:
    source = write_model(tmp_path / "My Model")
    (source / "modeling.py").write_text("boom")
    assert done(fetch(str(source))).model.name == "My-Model"
    other = done(fetch(str(source), "mine:1b")).model
    assert sorted(path.name for path in Path(other.path).iterdir()) == sorted([*model_files(), "omlx.json"])
    assert (Path(other.path) / "model.safetensors").read_bytes() == (source / "model.safetensors").read_bytes()
    assert Registry(paths, Settings()).resolve("MINE:1b").path == other.path


def test_the_same_folder_again_changes_nothing_and_another_one_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    source = write_model(tmp_path / "one")
    assert done(fetch(str(source))).changed
    assert not done(fetch(str(source))).changed
    (source / "model.safetensors").unlink()
    (source / "model.safetensors").write_bytes(weights(8192))
    error = failed(fetch(str(source))).error
    assert (error.code, "omlx rm one" in error.hint) == (Code.IN_USE, True)


def test_a_gguf_file_is_imported(fetch: Fetch, tmp_path: Path, paths: Paths) -> None:
    file = File("qwen3", model_of("qwen3"))
    file.pairs["general.license"] = "mit"
    model = done(fetch(str(file.write(tmp_path / "Some_Model.Q8.gguf")))).model
    assert (model.name, model.architecture, model.context_tokens) == ("Some_Model.Q8", "qwen3", 512)
    assert Registry(paths, Settings()).resolve(model.name).license == "mit"


def test_a_gguf_file_that_cannot_be_imported_leaves_nothing(fetch: Fetch, tmp_path: Path, paths: Paths) -> None:
    file = File("llama", model_of("llama"))
    file.architecture = "falcon"
    error = failed(fetch(str(file.write(tmp_path / "model.gguf")))).error
    assert error.code is Code.UNSUPPORTED_MODEL
    assert "'falcon'" in error.message
    assert not list(paths.models.iterdir())


def _damage(path: Path, **files: bytes | None) -> None:
    for name, content in files.items():
        target = path / name.replace("__", ".")
        target.unlink(missing_ok=True)
        if content is not None:
            target.write_bytes(content)


@pytest.mark.parametrize(
    ("files", "config", "named"),
    [
        ({"model__safetensors": weights()[:-1]}, {}, "cut short"),
        ({"model__safetensors": None, "pytorch_model__bin": b"x"}, {}, "pickles"),
        ({"model__safetensors": None}, {}, "no weights"),
        ({"tokenizer__json": None}, {}, "no tokenizer"),
        ({"config__json": b"{"}, {}, "not valid JSON"),
        ({}, {"auto_map": {"x": "y"}}, "auto_map"),
        ({}, {"model_file": "x.py"}, "model_file"),
        ({}, {"model_type": "unheard_of"}, "unheard_of"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused(
    files: dict[str, bytes | None], config: dict[str, Any], named: str, fetch: Fetch, tmp_path: Path, paths: Paths
) -> None:
    source = write_model(tmp_path / "source", **config)
    _damage(source, **files)
    error = failed(fetch(str(source))).error
    assert error.code is Code.UNSUPPORTED_MODEL
    assert named in error.message
    assert not list(paths.models.iterdir())


def test_a_link_that_leaves_the_folder_is_refused(fetch: Fetch, tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    (tmp_path / "secret.json").write_text("{}")
    (source / "extra.json").symlink_to(tmp_path / "secret.json")
    assert "extra.json" in failed(fetch(str(source))).error.message


@pytest.mark.parametrize("text", ["nowhere", "file.txt"])
def test_what_is_no_model_is_refused(text: str, fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("hello")
    assert failed(fetch(str(tmp_path / text))).error.code in (Code.NOT_FOUND, Code.UNSUPPORTED_MODEL)


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "x" * 200, "a:b:c", "-dash"])
def test_a_name_that_is_no_name_is_refused(name: str, fetch: Fetch, tmp_path: Path) -> None:
    source = write_model(tmp_path / ("source" if name else "..."))
    assert failed(fetch(str(source), name)).error.code is Code.INVALID_REQUEST


def test_a_killed_import_leaves_no_half_model_and_the_next_pull_cleans_up(
    fetch: Fetch, tmp_path: Path, paths: Paths
) -> None:
    source = File("llama", model_of("llama")).write(tmp_path / "model.gguf")
    with child(paths, str(source)) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        os.killpg(process.pid, signal.SIGKILL)
    left = list(paths.models.iterdir())
    assert all(path.name.startswith(".tmp-") or (path / "config.json").exists() for path in left)
    assert done(fetch(str(write_model(tmp_path / "other")))).changed
    assert not list(paths.models.glob(".tmp-*"))
