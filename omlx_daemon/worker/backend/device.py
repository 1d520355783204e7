"""Which device mlx computes on."""

from __future__ import annotations

import mlx.core as mx


def backend() -> str:
    """Return `metal`, `cuda` or `cpu`."""
    if mx.metal.is_available():
        return "metal"
    return "cuda" if mx.cuda.is_available() else "cpu"


def name() -> str:
    """Return the device's own name."""
    return str(mx.device_info().get("device_name", "unknown"))


def try_out() -> None:
    """Compute a small matrix product. Raises RuntimeError where the device fails, or is wrong."""
    ones = mx.ones((64, 64))
    if float((ones @ ones).sum()) != 64.0**3:
        raise RuntimeError(f"{backend()} computes wrong products")
