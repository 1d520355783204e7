"""Safetensors headers are checked before anything maps the file; the fingerprint follows every change."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from omlx_daemon.models import tensorfile
from omlx_daemon.models.fingerprint import fingerprint
from tests.models.folders import tensor_bytes, weights, write_model


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: list[int], begin: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def test_a_sound_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(tensor_bytes({"a": ("F32", [2, 3], bytes(24)), "b": ("U8", [], b"x")}))
    header = tensorfile.read(path)
    assert header.tensors["a"] == tensorfile.Entry("F32", (2, 3), (0, 24))
    assert len(header.digest) == 64


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"1234567",
        struct.pack("<Q", 1 << 62),
        raw({}, length=1 << 30),
        struct.pack("<Q", 4) + b"nope",
        struct.pack("<Q", 100_000) + b"[" * 100_000,
        raw([1, 2]),
        raw({"a": 5}),
        raw({"a": entry([1], 0, 4)}),
        raw({"a": entry([1], 0, 4)}, bytes(5)),
        raw({"a": entry([2], 0, 4)}, bytes(4)),
        raw({"a": entry([1], 4, 8)}, bytes(8)),
        raw({"a": entry([1], 0, 4), "b": entry([1], 2, 6)}, bytes(6)),
        raw({"a": entry([-1, -1], 0, 4)}, bytes(4)),
        raw({"a": entry([1], 4, 0)}, bytes(4)),
        raw({"a": entry([1 << 62, 1 << 62], 0, 4)}, bytes(4)),
        raw({"a": entry([1], 0, 4, dtype="PICKLE")}, bytes(4)),
    ],
)
def test_a_file_that_lies_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(tensorfile.BadTensorFile, match=r"model\.safetensors"):
        tensorfile.read(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "config": lambda path: (path / "config.json").write_text('{"model_type": "llama", "rope_theta": 1}'),
    "weights' header": lambda path: (path / "model.safetensors").write_bytes(
        tensor_bytes({"model.other.weight": ("F16", [2048], bytes(4096))})
    ),
    "weights' size": lambda path: (path / "model.safetensors").write_bytes(weights(8192)),
    "another shard": lambda path: (path / "model-2.safetensors").write_bytes(weights()),
    "tokenizer": lambda path: (path / "tokenizer.json").write_text("{}"),
    "chat template": lambda path: (path / "chat_template.jinja").write_text("{{ x }}"),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_every_change_that_matters_changes_the_fingerprint(change: str, tmp_path: Path) -> None:
    path = write_model(tmp_path / "model")
    before = fingerprint(path, cache_layout="1")
    assert before == fingerprint(path, cache_layout="1")
    CHANGES[change](path)
    assert fingerprint(path, cache_layout="1") != before


def test_the_cache_layout_and_an_adapter_take_part(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapters.safetensors").write_bytes(weights(fill=b"a"))
    found = [
        fingerprint(path, cache_layout="1"),
        fingerprint(path, cache_layout="2"),
        fingerprint(path, cache_layout="1", adapter=adapter),
    ]
    (adapter / "adapters.safetensors").write_bytes(weights(fill=b"b"))
    found.append(fingerprint(path, cache_layout="1", adapter=adapter))
    assert len(set(found)) == len(found)


def test_names_times_and_other_files_do_not_take_part(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model")
    before = fingerprint(path, cache_layout="1")
    (path / "README.md").write_text("hello")
    (path / "omlx.json").write_text("{}")
    assert fingerprint(path.rename(tmp_path / "renamed"), cache_layout="1") == before
