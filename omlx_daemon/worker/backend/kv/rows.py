"""The rows and states that are alive in a cache, single or one row of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as mlx_cache

from omlx_daemon.worker.backend.kv.raw import bytes_of, flat_bytes_of
from omlx_daemon.worker.cache.payload import Unusable

Arrays = dict[str, mx.array]


@dataclass(frozen=True)
class Source:
    """A live model cache: a list of mlx-lm caches, and which row of them where they are batched."""

    caches: list[Any]
    row: int = 0


@dataclass(frozen=True)
class Rows:
    """Rows [first, first + count) of one sequence, in order, in arrays of shape (batch, heads, places, width)."""

    arrays: Arrays
    first: int
    count: int
    row: int = 0
    """Where the sequence is in the batch."""
    place: int = 0
    """Where its first row is."""

    def part(self, name: str, start: int, end: int) -> mx.array:
        """Return rows [start, end) of an array as a view of shape (heads, rows, width)."""
        ahead = self.place - self.first
        return self.arrays[name][self.row, :, start + ahead : end + ahead]

    def copy(self, name: str, start: int, end: int, into: memoryview) -> None:
        """Copy the bytes of rows [start, end) of an array, waiting for whatever computes them."""
        array = self.arrays[name]
        source = flat_bytes_of(array)
        if source is None:
            into[:] = bytes_of(mx.contiguous(self.part(name, start, end)))
            return
        _, heads, places, width = array.shape
        row_bytes = width * int(array.dtype.size)
        count = (end - start) * row_bytes
        first = (self.row * heads * places + self.place + start - self.first) * row_bytes
        for head in range(heads):
            at = first + head * places * row_bytes
            into[head * count : (head + 1) * count] = source[at : at + count]


def live_rows(cache: Any, row: int) -> Rows:
    """Return the rows that `cache` still has of a sequence. Raises Unusable for a class without rows."""
    view = _VIEWS.get(type(cache))
    if view is None:
        raise Unusable(f"cache class {type(cache).__name__} has no rows")
    if cache.keys is None:
        raise Unusable("the cache is empty")
    return view(cache, row)


def live_state(cache: Any, row: int) -> Arrays:
    """Return the state arrays of a sequence by slot, each with a leading axis of 1."""
    kind: type = type(cache)
    if kind is not mlx_cache.ArraysCache:
        raise Unusable(f"cache class {kind.__name__} has no state")
    return {f"s{slot}": array[row : row + 1] for slot, array in enumerate(cache.cache) if array is not None}


def _plain(cache: Any, row: int) -> Rows:
    return Rows({"k": cache.keys, "v": cache.values}, 0, cache.offset)


def _quantized(cache: Any, row: int) -> Rows:
    pairs = (("k", cache.keys), ("v", cache.values))
    arrays = {
        f"{name}{part}": array for name, arrays in pairs for part, array in zip(("q", "s", "b"), arrays, strict=True)
    }
    return Rows(arrays, 0, cache.offset)


def _rotating(cache: Any, row: int) -> Rows:
    keys, values, count = cache.keys, cache.values, cache._idx
    if count < min(cache.offset, keys.shape[2]):
        keys, values, count = mx.roll(keys, -count, 2), mx.roll(values, -count, 2), keys.shape[2]
    return Rows({"k": keys, "v": values}, cache.offset - count, count)


def _chunked(cache: Any, row: int) -> Rows:
    first = cache.start_position
    return Rows({"k": cache.keys, "v": cache.values}, first, cache.offset - first)


def _batch(cache: Any, row: int) -> Rows:
    padding = cache.left_padding.tolist()[row]
    return Rows({"k": cache.keys, "v": cache.values}, 0, cache._idx - padding, row, padding)


def _batch_rotating(cache: Any, row: int) -> Rows:
    one = slice(row, row + 1)
    keys, values, end = cache.keys[one], cache.values[one], cache._idx
    if cache.rotated:
        keys, values, end = mx.roll(keys, -end, 2), mx.roll(values, -end, 2), keys.shape[2]
    padding = max(0, cache.left_padding.tolist()[row])
    count = end - padding
    return Rows({"k": keys, "v": values}, cache.offset.tolist()[row] - count, count, 0, padding)


_VIEWS: dict[type, Callable[[Any, int], Rows]] = {
    mlx_cache.KVCache: _plain,
    mlx_cache.ConcatenateKVCache: _plain,
    mlx_cache.QuantizedKVCache: _quantized,
    mlx_cache.RotatingKVCache: _rotating,
    mlx_cache.ChunkedKVCache: _chunked,
    mlx_cache.BatchKVCache: _batch,
    mlx_cache.BatchRotatingKVCache: _batch_rotating,
}
