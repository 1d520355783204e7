"""Some rows of a batch as a batch of their own, no wider than they need."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from typing import Any

from mlx_lm.generate import GenerationBatch
from mlx_lm.models import cache as mlx_cache

_EMPTY_LIST: Any = mlx_cache.CacheList
_ROTATING: Any = mlx_cache.BatchRotatingKVCache


def taken(batch: GenerationBatch, rows: list[int]) -> GenerationBatch:
    """Return a batch with the rows of these numbers; `batch` keeps them too."""
    own = copy.copy(batch)
    own.prompt_cache = [_taken(cache, rows) for cache in batch.prompt_cache]
    caches, own.prompt_cache = own.prompt_cache, []
    own.filter(rows)
    own.prompt_cache = caches
    return own


def _taken(cache: Any, rows: list[int]) -> Any:
    kind: type = type(cache)
    if kind is mlx_cache.CacheList:
        found: Any = _EMPTY_LIST()
        found.caches = tuple(_taken(part, rows) for part in cache.caches)
        return found
    if kind is mlx_cache.BatchRotatingKVCache and cache.keys is not None:
        # Its own filter keeps the padding of rows that are gone.
        return _ROTATING.merge([cache.extract(row) for row in rows])
    own = copy.copy(cache)
    own.filter(rows)
    return own


def widest_window(caches: Iterable[Any]) -> int:
    """Return the columns of the widest rotating cache, 0 where there is none."""
    return max((_window(cache) for cache in caches), default=0)


def _window(cache: Any) -> int:
    kind: type = type(cache)
    if kind is mlx_cache.CacheList:
        return widest_window(cache.caches)
    if kind is mlx_cache.BatchRotatingKVCache and cache.keys is not None:
        return int(cache.keys.shape[2])
    return 0


def held_bytes(caches: Sequence[Any]) -> int:
    """Return the bytes that layer caches hold, padding and room to grow included."""
    return sum(int(getattr(cache, "nbytes", 0)) for cache in caches)
