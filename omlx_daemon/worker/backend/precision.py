"""The number format of a model's weights, and the wider one that a CPU computes fast."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten
from mlx_lm.utils import dequantize_model

_SHARE_OF_FREE = 0.9


def weights_bytes(model: Module) -> int:
    """Return the bytes of all parameters."""
    return sum(array.nbytes for _, array in _parameters(model))


def widen(model: Module, free_bytes: int) -> None:
    """Turn quantised and half-precision weights into float32, where that fits into `free_bytes`.

    mlx on a CPU multiplies float32 matrices with BLAS and everything else slowly. Weights must not be evaluated
    yet: what is dequantised is then never in memory twice.
    """
    if float32_bytes(model) > free_bytes * _SHARE_OF_FREE:
        return
    # Dequantised in the precision of the scales and widened then: the weights that mlx-lm itself computes with.
    dequantize_model(model)
    model.set_dtype(mx.float32)


def float32_bytes(model: Module) -> int:
    """Return what the weights would take in float32."""
    quantised = {name: module for name, module in _modules(model) if hasattr(module, "bits")}
    packed = sum(int(module["weight"].size) * 32 // int(module.bits) for module in quantised.values())
    own = {f"{name}.{part}" for name in quantised for part in ("weight", "scales", "biases")}
    plain = sum(array.size for path, array in _parameters(model) if path not in own)
    return 4 * (packed + plain)


def name(model: Module) -> str:
    """Return the format of most weights: `4-bit`, `float32`, `bfloat16`."""
    sizes: Counter[str] = Counter()
    for _, module in _modules(model):
        if hasattr(module, "bits"):
            sizes[f"{module.bits}-bit"] += module["weight"].nbytes
    for _, array in _parameters(model):
        if mx.issubdtype(array.dtype, mx.floating):
            sizes[str(array.dtype).rpartition(".")[2]] += array.nbytes
    return sizes.most_common(1)[0][0] if sizes else ""


def _modules(model: Module) -> list[tuple[str, Any]]:
    walk: Callable[[], list[tuple[str, Any]]] = model.named_modules
    return walk()


def _parameters(model: Module) -> list[tuple[str, mx.array]]:
    tree: Callable[[], object] = model.parameters
    leaves: Any = tree_flatten(tree())
    return [(path, array) for path, array in leaves if isinstance(array, mx.array)]
