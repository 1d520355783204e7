"""What a model's cache is made of: its leaves, and the groups of leaves that are stored as one tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as mlx_cache

from omlx_daemon.coldstore.names import Part
from omlx_daemon.worker.backend.kv.rows import Arrays, live_rows, live_state
from omlx_daemon.worker.cache.payload import Needs

_ROWS = (mlx_cache.KVCache, mlx_cache.ConcatenateKVCache, mlx_cache.QuantizedKVCache)
_PROBE_TOKEN = 0


class Unsupported(Exception):
    """A model whose cache cannot be kept. Says why."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One cache of a model: `path` is its layer, and its place in the layer's list where there is one."""

    path: tuple[int, ...]
    part: Part
    kind: type
    window: int = 0
    batchable: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """An array of a leaf: heads and width of a row, or the whole shape of a state."""

    name: str
    shape: tuple[int, ...]
    dtype: mx.Dtype


@dataclass(frozen=True, slots=True)
class Group:
    """Leaves of one kind with equal fields: each field is stored for all of them together."""

    key: str
    part: Part
    window: int
    leaves: tuple[int, ...]
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class KvLayout:
    """A model's leaves and groups, and how to make an empty cache."""

    leaves: tuple[Leaf, ...]
    groups: tuple[Group, ...]
    fresh: Callable[[], list[Any]]

    @property
    def needs(self) -> Needs:
        """Which parts a restore takes."""
        parts = {leaf.part for leaf in self.leaves}
        windows = {leaf.window for leaf in self.leaves if leaf.part is Part.WINDOW}
        return Needs(Part.TOKENS in parts, tuple(sorted(windows, reverse=True)), Part.STATE in parts)

    @property
    def batchable(self) -> bool:
        """Whether mlx-lm can decode several sequences of this model together."""
        return all(leaf.batchable for leaf in self.leaves)

    def groups_of(self, part: Part) -> tuple[Group, ...]:
        """Return the groups that a part stores."""
        return tuple(group for group in self.groups if group.part is part)


def find(caches: Sequence[Any], path: tuple[int, ...]) -> Any:
    """Return the cache at a leaf's path."""
    found = caches[path[0]]
    return found.caches[path[1]] if len(path) == 2 else found


def layout(model: Any) -> KvLayout:
    """Return the layout of a loaded model, learnt by running one token. Raises Unsupported."""
    caches = mlx_cache.make_prompt_cache(model)
    leaves = tuple(_leaves(caches))
    if not leaves:
        raise Unsupported("the model has no cache")
    model(mx.array([[_PROBE_TOKEN]]), cache=caches)
    groups = _groups(leaves, [_fields(find(caches, leaf.path), leaf) for leaf in leaves])
    mx.eval([cache.state for cache in caches])
    return KvLayout(leaves, groups, lambda: mlx_cache.make_prompt_cache(model))


def _leaves(caches: Sequence[Any]) -> Iterator[Leaf]:
    for layer, cache in enumerate(caches):
        if type(cache) is mlx_cache.CacheList:
            for place, inner in enumerate(cache.caches):
                yield _leaf((layer, place), inner)
        else:
            yield _leaf((layer,), cache)


def _leaf(path: tuple[int, ...], cache: Any) -> Leaf:
    kind = type(cache)
    batchable = hasattr(cache, "merge")
    if kind in _ROWS:
        return Leaf(path, Part.TOKENS, kind, batchable=batchable)
    if kind is mlx_cache.RotatingKVCache:
        if cache.keep:
            raise Unsupported("a rotating cache that keeps its first rows forgets what lies between")
        return Leaf(path, Part.WINDOW, kind, cache.max_size, batchable)
    if kind is mlx_cache.ChunkedKVCache:
        return Leaf(path, Part.WINDOW, kind, cache.chunk_size, batchable)
    if kind is mlx_cache.ArraysCache:
        return Leaf(path, Part.STATE, kind, batchable=batchable)
    raise Unsupported(f"cache class {kind.__name__} is not known")


def _fields(cache: Any, leaf: Leaf) -> tuple[Field, ...]:
    if leaf.part is Part.STATE:
        return tuple(Field(name, tuple(array.shape[1:]), array.dtype) for name, array in live_state(cache, 0).items())
    arrays: Arrays = live_rows(cache, 0).arrays
    for name, array in arrays.items():
        if array.ndim != 4:
            raise Unsupported(f"layer {leaf.path[0]}: {name} has {array.ndim} dimensions, not 4")
    return tuple(
        Field(name, (array.shape[1], array.shape[3]), array.dtype) for name, array in arrays.items() if array.shape[3]
    )


def _groups(leaves: Sequence[Leaf], fields: Sequence[tuple[Field, ...]]) -> tuple[Group, ...]:
    """Group leaves of equal fields; every slot of a state is a group of its own."""
    found: dict[tuple[Part, int, tuple[Field, ...]], list[int]] = {}
    for number, (leaf, own) in enumerate(zip(leaves, fields, strict=True)):
        for one in ((field,) for field in own) if leaf.part is Part.STATE else (own,):
            found.setdefault((leaf.part, leaf.window, one), []).append(number)
    counts: dict[Part, int] = {}
    groups = []
    for (part, window, own), members in found.items():
        number = counts[part] = counts.get(part, -1) + 1
        groups.append(Group(f"{part.value}{number}", part, window, tuple(members), own))
    return tuple(groups)
