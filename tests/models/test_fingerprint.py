"""Whatever changes what a KV cache would hold changes the fingerprint."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from omlx_daemon.models.fingerprint import fingerprint
from tests.models.folders import weights, write_model

LAYOUT = "mlx-lm 1"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model", 1 << 16)


def of(model: Path) -> str:
    return fingerprint(model, cache_layout=LAYOUT)


def edit_weights_in_place(model: Path) -> None:
    path = model / "model.safetensors"
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[len(content) // 2 + 5000 :] = os.urandom(len(content) - len(content) // 2 - 5000)
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def touch_weights(model: Path) -> None:
    os.utime(model / "model.safetensors", ns=(1, 1))


def add_shard(model: Path) -> None:
    (model / "model-2.safetensors").write_bytes(weights())


def set_quantization(model: Path) -> None:
    path = model / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "quantization": {"bits": 4, "group_size": 64}}))


def set_tokenizer(model: Path) -> None:
    (model / "tokenizer.json").write_text('{"version": "1.1"}')


def set_template(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{{ other }}")


CHANGES = (edit_weights_in_place, touch_weights, add_shard, set_quantization, set_tokenizer, set_template)


def test_it_stays_while_nothing_changes(model: Path) -> None:
    assert of(model) == of(model)
    (model / "README.txt").write_text("words")
    before = of(model)
    config = json.loads((model / "config.json").read_text())
    (model / "config.json").write_text(json.dumps(config, indent=4, sort_keys=True))
    assert of(model) == before


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_changes_it(model: Path, change: Callable[[Path], None]) -> None:
    before = of(model)
    change(model)
    assert of(model) != before


def test_adapter_and_cache_layout_take_part(model: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapters.safetensors").write_bytes(weights())
    found = {
        of(model),
        fingerprint(model, cache_layout="mlx-lm 2"),
        fingerprint(model, cache_layout=LAYOUT, adapter=adapter),
    }
    assert len(found) == 3
