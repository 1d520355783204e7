"""Small models in MLX layout, written by hand: sound enough for everything that loads no weights."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 64,
    "max_position_embeddings": 2048,
    "torch_dtype": "bfloat16",
}


def tensor_bytes(tensors: dict[str, tuple[str, list[int], bytes]]) -> bytes:
    """Return a safetensors file of (type, shape, data) by name."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + b"".join(data for _, _, data in tensors.values())


def weights(size_bytes: int = 4096, fill: bytes | None = None) -> bytes:
    """Return a safetensors file with one tensor of `size_bytes`, random unless a byte is given."""
    data = fill * size_bytes if fill else os.urandom(size_bytes)
    return tensor_bytes({"model.norm.weight": ("F16", [size_bytes // 2], data)})


def model_files(size_bytes: int = 4096, **config: Any) -> dict[str, bytes]:
    """Return the files of a model, by name."""
    return {
        "config.json": json.dumps(CONFIG | config).encode(),
        "model.safetensors": weights(size_bytes),
        "tokenizer.json": b'{"version": "1.0"}',
        "tokenizer_config.json": b'{"chat_template": "{{ messages }}"}',
    }


def write_model(path: Path, size_bytes: int = 4096, **config: Any) -> Path:
    """Write a model's folder and return it."""
    path.mkdir(parents=True)
    for name, content in model_files(size_bytes, **config).items():
        (path / name).write_bytes(content)
    return path


def write_hub_model(cache: Path, hub_id: str, commit: str = "c" * 40, **config: Any) -> Path:
    """Write a model as huggingface_hub lays out its cache; return the snapshot's folder."""
    repository = cache / ("models--" + hub_id.replace("/", "--"))
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir(exist_ok=True)
    (repository / "refs").mkdir(exist_ok=True)
    (repository / "refs" / "main").write_text(commit)
    for name, content in model_files(**config).items():
        blob = repository / "blobs" / f"{commit}-{name}"
        blob.write_bytes(content)
        (snapshot / name).symlink_to(Path("../../blobs") / blob.name)
    return snapshot
