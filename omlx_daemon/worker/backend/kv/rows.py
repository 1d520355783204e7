"""The rows and states that are alive in a cache, single or one row of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as mlx_cache

from omlx_daemon.worker.cache.payload import Unusable

Arrays = dict[str, mx.array]


@dataclass(frozen=True)
class Source:
    """A live model cache: a list of mlx-lm caches, and which row of them where they are batched."""

    caches: list[Any]
    row: int = 0


@dataclass(frozen=True)
class Rows:
    """Rows [first, first + count) of one sequence, in order, as views of shape (1, heads, count, width)."""

    arrays: Arrays
    first: int

    @property
    def count(self) -> int:
        """Number of rows."""
        return int(next(iter(self.arrays.values())).shape[2])


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
    return Rows({"k": cache.keys[..., : cache.offset, :], "v": cache.values[..., : cache.offset, :]}, 0)


def _quantized(cache: Any, row: int) -> Rows:
    pairs = (("k", cache.keys), ("v", cache.values))
    arrays = {
        f"{name}{place}": array[..., : cache.offset, :]
        for name, arrays in pairs
        for place, array in zip(("q", "s", "b"), arrays, strict=True)
    }
    return Rows(arrays, 0)


def _rotating(cache: Any, row: int) -> Rows:
    keys, values = cache.keys, cache.values
    if cache._idx < min(cache.offset, keys.shape[2]):
        keys, values = mx.roll(keys, -cache._idx, 2), mx.roll(values, -cache._idx, 2)
    else:
        keys, values = keys[..., : cache._idx, :], values[..., : cache._idx, :]
    return Rows({"k": keys, "v": values}, cache.offset - keys.shape[2])


def _chunked(cache: Any, row: int) -> Rows:
    count = cache.offset - cache.start_position
    return Rows({"k": cache.keys[..., :count, :], "v": cache.values[..., :count, :]}, cache.start_position)


def _batch(cache: Any, row: int) -> Rows:
    padding = cache.left_padding.tolist()[row]
    one, live = slice(row, row + 1), slice(padding, cache._idx)
    return Rows({"k": cache.keys[one, :, live], "v": cache.values[one, :, live]}, 0)


def _batch_rotating(cache: Any, row: int) -> Rows:
    one = slice(row, row + 1)
    keys, values, end = cache.keys[one], cache.values[one], cache._idx
    if cache.rotated:
        keys, values = mx.roll(keys, -end, 2), mx.roll(values, -end, 2)
        end = keys.shape[2]
    live = slice(max(0, cache.left_padding.tolist()[row]), end)
    keys, values = keys[:, :, live], values[:, :, live]
    return Rows({"k": keys, "v": values}, cache.offset.tolist()[row] - keys.shape[2])


_VIEWS: dict[type, Callable[[Any, int], Rows]] = {
    mlx_cache.KVCache: _plain,
    mlx_cache.ConcatenateKVCache: _plain,
    mlx_cache.QuantizedKVCache: _quantized,
    mlx_cache.RotatingKVCache: _rotating,
    mlx_cache.ChunkedKVCache: _chunked,
    mlx_cache.BatchKVCache: _batch,
    mlx_cache.BatchRotatingKVCache: _batch_rotating,
}
