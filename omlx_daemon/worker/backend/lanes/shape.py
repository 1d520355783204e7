"""What a model's own cache classes take for each token."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten
from mlx_lm.models import cache as mlx_cache

from omlx_daemon.worker.engine.kvshape import KvShape, Layers, summed

_PROBE_TOKEN = 0


def measured_shape(model: Module) -> KvShape:
    """Return the shape of a model's KV, learnt by running one token."""
    caches = mlx_cache.make_prompt_cache(model)
    mx.eval(model(mx.array([[_PROBE_TOKEN]]), cache=caches))
    return shape_of(caches)


def shape_of(caches: Iterable[Any]) -> KvShape:
    """Return the shape of the KV in `caches`, the layer caches of one sequence that holds tokens already."""
    layers, state_bytes = [], 0
    for leaf in _leaves(caches):
        token_bytes = _token_bytes(leaf)
        if token_bytes is None:
            state_bytes += int(getattr(leaf, "nbytes", 0))
        else:
            layers.append(Layers(token_bytes, _window_tokens(leaf)))
    return summed(layers, state_bytes)


def _leaves(caches: Iterable[Any]) -> Iterator[Any]:
    for cache in caches:
        if type(cache) is mlx_cache.CacheList:
            yield from _leaves(cache.caches)
        else:
            yield cache


def _token_bytes(cache: Any) -> int | None:
    """Return the bytes of one token's rows, None for a cache that has none or keeps them in a way of its own."""
    if getattr(cache, "keys", None) is None:
        return None
    flat: Any = tree_flatten
    arrays = [array for _, array in flat((cache.keys, cache.values))]
    if any(array.ndim != 4 for array in arrays):
        return None
    return sum(int(array.nbytes) // int(array.shape[2]) for array in arrays if array.size)


def _window_tokens(cache: Any) -> float:
    kind: type = type(cache)
    if kind is mlx_cache.RotatingKVCache:
        return float(cache.max_size)
    return float(cache.chunk_size) if kind is mlx_cache.ChunkedKVCache else math.inf
