"""Adapters for tiny random models, made by mlx-lm's own trainer's parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.tuner.utils import linear_to_lora_layers
from mlx_lm.utils import load_model

DETAILS: dict[str, Any] = {"rank": 4, "scale": 8.0, "dropout": 0.05}


def write_adapter(
    folder: Path,
    model: Path,
    *,
    seed: int = 1,
    kind: str = "lora",
    dtype: mx.Dtype = mx.float32,
    size: float = 0.1,
    **details: Any,
) -> Path:
    """Write an adapter of random weights for the model in `model`; the same one for the same `seed` and `size`."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {**DETAILS, **details}
    subject: Any = load_model(model, lazy=True)[0]
    subject.freeze()
    linear_to_lora_layers(subject, len(subject.layers), wanted, use_dora=kind == "dora")
    trained: Any = tree_flatten(subject.trainable_parameters())
    mx.random.seed(seed)
    # A fresh adapter's second half is zero, and changes nothing.
    weights = {
        name: (array if name.endswith(".m") else mx.random.normal(array.shape) * size).astype(dtype)
        for name, array in trained
    }
    mx.save_safetensors(str(folder / "adapters.safetensors"), weights)
    config = {"fine_tune_type": kind, "num_layers": len(subject.layers), "lora_parameters": wanted}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder
