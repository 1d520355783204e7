"""Single caches as a batch of one, their arrays shared: mlx-lm's own merge would copy them and lose the head-room."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as mlx_cache

_EMPTY_LIST: Any = mlx_cache.CacheList


def batched(caches: Sequence[Any]) -> list[Any]:
    """Return filled single caches as batch caches with one row, ready to be a batch's `prompt_cache`."""
    return [_batched(cache) for cache in caches]


def _batched(cache: Any) -> Any:
    if type(cache) is mlx_cache.CacheList:
        merged: Any = _EMPTY_LIST()
        merged.caches = tuple(_batched(inner) for inner in cache.caches)
        return merged
    if type(cache) is mlx_cache.KVCache:
        return _rows(mlx_cache.BatchKVCache([0]), cache, cache.offset)
    if type(cache) is mlx_cache.RotatingKVCache:
        rotating = mlx_cache.BatchRotatingKVCache(cache.max_size, [0])
        rotating._offset = cache._idx
        return _rows(rotating, cache, cache._idx)
    return cache


def _rows(batch: Any, cache: Any, count: int) -> Any:
    batch.keys, batch.values = cache.keys, cache.values
    batch.offset = mx.array([cache.offset])
    batch._idx = count
    return batch
