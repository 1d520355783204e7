"""The rotary embedding's base and scaling, from metadata and from the `rope_freqs` tensor."""

from __future__ import annotations

import math

from omlx_daemon.worker.backend.gguf.errors import unsupported
from omlx_daemon.worker.backend.gguf.metadata import Metadata

FREQUENCIES = "rope_freqs.weight"
"""The tensor in which llama.cpp stores Llama 3's scaling: one divisor for each pair of a head's values."""

_LLAMA3_LOW = 1.0
_LLAMA3_HIGH = 4.0
_LLAMA3_CONTEXT_TOKENS = 8192
_TOLERANCE = 1e-3


def scaling(metadata: Metadata) -> dict[str, object] | None:
    """Return the config's `rope_scaling` as the metadata tells it. Raises OmlxError for a kind MLX lacks."""
    kind = metadata.text(".rope.scaling.type", "none")
    factor = metadata.number(".rope.scaling.factor", metadata.number(".rope.scale_linear", 1.0))
    if kind == "none" and not metadata.has(".rope.scale_linear"):
        return None
    if kind in ("none", "linear"):
        return {"rope_type": "linear", "factor": factor} if factor not in (0.0, 1.0) else None
    if kind != "yarn":
        raise unsupported(f"its rotary scaling is {kind!r}")
    original = metadata.integer(".rope.scaling.original_context_length", metadata.integer(".context_length"))
    return {"rope_type": "yarn", "factor": factor, "original_max_position_embeddings": original}


def llama3_scaling(divisors: list[float], base: float) -> dict[str, object]:
    """Return the `rope_scaling` whose divisors these are; raises OmlxError where Llama 3's rule does not give them."""
    factor = round(max(divisors), 3)
    expected = [_divisor(base ** (2 * i / (2 * len(divisors))), factor) for i in range(len(divisors))]
    if any(not math.isclose(a, b, rel_tol=_TOLERANCE) for a, b in zip(divisors, expected, strict=True)):
        raise unsupported(f"its rotary divisors ({FREQUENCIES}) do not follow Llama 3's rule")
    return {
        "rope_type": "llama3",
        "factor": factor,
        "low_freq_factor": _LLAMA3_LOW,
        "high_freq_factor": _LLAMA3_HIGH,
        "original_max_position_embeddings": _LLAMA3_CONTEXT_TOKENS,
    }


def _divisor(period: float, factor: float) -> float:
    wavelength = 2 * math.pi * period
    if wavelength > _LLAMA3_CONTEXT_TOKENS / _LLAMA3_LOW:
        return factor
    if wavelength < _LLAMA3_CONTEXT_TOKENS / _LLAMA3_HIGH:
        return 1.0
    smooth = (_LLAMA3_CONTEXT_TOKENS / wavelength - _LLAMA3_LOW) / (_LLAMA3_HIGH - _LLAMA3_LOW)
    return 1 / ((1 - smooth) / factor + smooth)
