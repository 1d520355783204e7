"""The bytes below mlx arrays: seen without copying, and copied for certain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx

AnyStream = mx.Stream | mx.ThreadLocalStream

_WORDS = {1: mx.uint8, 2: mx.uint16, 4: mx.uint32, 8: mx.uint64}


def begin(arrays: Sequence[mx.array]) -> None:
    """Begin to evaluate arrays, without waiting."""
    evaluate: Callable[..., None] = mx.async_eval
    evaluate(list(arrays))


def bytes_of(array: mx.array) -> memoryview:
    """Return the bytes of an evaluated, row-contiguous array; writable where nothing else is built on it."""
    exporter: Any = array
    return memoryview(exporter).cast("B")


def flat_bytes_of(array: mx.array) -> memoryview | None:
    """Return the bytes of an array, evaluating it, or None where its rows do not lie one after the other."""
    exporter: Any = array
    view = memoryview(exporter)
    return view.cast("B") if view.c_contiguous else None


def copied(array: mx.array) -> mx.array:
    """Return an array that shares no memory with `array`: mlx makes a view wherever it can."""
    words = _WORDS[int(array.dtype.size)]
    return (mx.contiguous(array).view(words) | mx.array(0, words)).view(array.dtype)


def stacked(arrays: Sequence[mx.array]) -> mx.array:
    """Return a copy of equal arrays along a new leading axis."""
    return mx.stack(list(arrays)) if len(arrays) > 1 else copied(arrays[0])[None]
