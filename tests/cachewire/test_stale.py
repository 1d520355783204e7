"""KV of another model, or of what a model was before, is never used."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.models.namespaces import Namespaces
from tests.cachewire.driving import ANSWER_TOKENS, MODEL, Client, story


def replace(file: Path, content: bytes) -> None:
    """Put another file in the place of one that may be linked to elsewhere."""
    new = file.with_name("new")
    new.write_bytes(content)
    new.replace(file)


def change_tokenizer(folder: Path) -> None:
    document = json.loads((folder / "tokenizer.json").read_bytes())
    document["version"] = "1.1"
    replace(folder / "tokenizer.json", json.dumps(document).encode())


def change_template(folder: Path) -> None:
    replace(folder / "chat_template.jinja", (folder / "chat_template.jinja").read_bytes() + b"\n")


def change_config(folder: Path) -> None:
    document = json.loads((folder / "config.json").read_bytes())
    replace(folder / "config.json", json.dumps({**document, "rope_theta": 12345.0}).encode())


def change_one_weight(folder: Path) -> None:
    shard = folder / "model.safetensors"
    shutil.copy2(shard, folder / "new")
    with (folder / "new").open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    (folder / "new").replace(shard)


@pytest.mark.parametrize("change", [change_tokenizer, change_template, change_config, change_one_weight])
def test_a_changed_model_has_another_namespace(
    tmp_path: Path, smollm2_path: Path, change: Callable[[Path], None]
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(smollm2_path, folder, copy_function=os.link)
    spec = ModelSpec(name="it", path=str(folder), source="omlx", weights_bytes=1)
    namespaces = Namespaces(Options())
    before = namespaces.of(spec)
    assert namespaces.of(spec) == Namespaces(Options()).of(spec) == before
    change(folder)
    assert namespaces.of(spec) not in (before, "")


def test_every_store_precision_has_a_namespace(smollm2_path: Path) -> None:
    spec = ModelSpec(name="it", path=str(smollm2_path), source="omlx", weights_bytes=1, aliases=("IT:1",))
    options = [{}, {"it": ModelOptions(kv_store_bits=8)}, {"it:1": ModelOptions(kv_store_bits=4)}]
    assert len({Namespaces(Options(one)).of(spec) for one in options}) == 3


def test_a_changed_template_or_precision_reuses_nothing_and_shows_as_incompatible(client: Client) -> None:
    client.load()
    prompt = story(60)
    assert client.ask(prompt).computed == 60
    client.await_files(60 + ANSWER_TOKENS)
    (folder,) = (client.home.path / "models").iterdir()
    change_template(folder)
    assert client.home.run("unload", MODEL).returncode == 0
    assert client.ask(prompt).computed == 60

    assert client.home.run("stop").returncode == 0
    with (client.home.path / "config.toml").open("a") as config:
        config.write(f'[models."{MODEL}"]\nkv_store_bits = 8\n')
    client.load()
    assert client.ask(prompt).computed == 60
    assert client.ask(prompt).computed == 1
    client.await_files(*(60 + ANSWER_TOKENS,) * 3)

    rows = client.call("GET", f"{routes.CACHE_LIST}?incompatible=true")["namespaces"]
    assert [row["in_use"] for row in rows] == [False, False]
    kept = [row for row in client.call("GET", routes.CACHE_LIST)["namespaces"] if not row["incompatible"]]
    assert len(kept) == 1
    assert kept[0]["size_bytes"] < rows[0]["size_bytes"] / 2
