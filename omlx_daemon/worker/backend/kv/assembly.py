"""A model cache that is filled once, at full length, from the parts of many blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
from mlx_lm.models import cache as mlx_cache

from omlx_daemon.coldstore.names import Part
from omlx_daemon.worker.backend.kv.batch import batched
from omlx_daemon.worker.backend.kv.leaves import Field, Group, KvLayout, find
from omlx_daemon.worker.backend.kv.payloads import KvPayload
from omlx_daemon.worker.backend.kv.precision import Precision
from omlx_daemon.worker.backend.kv.raw import AnyStream, copied
from omlx_daemon.worker.backend.kv.rows import Arrays
from omlx_daemon.worker.cache.payload import Payload, Span, Unusable

_RUN_PARTS = 8
"""Placed together at most: for a moment their rows are there once more."""


@dataclass(frozen=True)
class _Placed:
    payload: Payload
    rows: int
    position: int


class KvAssembly:
    """One restore. `place` and `settle` any number of times, then `finish`."""

    def __init__(
        self, layout: KvLayout, precision: Precision, capacity_tokens: int, stream: AnyStream, gathers: bool = False
    ) -> None:
        """Make room for `capacity_tokens`; with `gathers`, join neighbouring parts before they are dealt to layers."""
        self._layout, self._precision, self._capacity_tokens = layout, precision, capacity_tokens
        self._stream, self._run_parts = stream, _RUN_PARTS if gathers else 1
        self._rows: dict[tuple[int, str], mx.array] = {}
        self._placed: list[_Placed] = []

    def place(self, payload: Payload, rows: int, position: int) -> None:
        """Put the first `rows` rows of a tokens part at `position`; the payload is held until that is done."""
        self._placed.append(_Placed(payload, rows, position))

    def settle(self) -> None:
        """Finish what was placed, but for parts too few to be worth it yet: those are held until there are more."""
        if len(self._placed) >= self._run_parts:
            self._deal_all()

    def _deal_all(self) -> None:
        with mx.stream(self._stream):
            for run in self._runs():
                self._deal(run)
                mx.eval(list(self._rows.values()))
        self._placed.clear()

    def _runs(self) -> Iterator[list[_Placed]]:
        """Yield what was placed, in neighbouring parts."""
        run: list[_Placed] = []
        for part in sorted(self._placed, key=lambda part: part.position):
            if run and (len(run) == self._run_parts or run[-1].position + run[-1].rows != part.position):
                yield run
                run = []
            run.append(part)
        if run:
            yield run

    def _deal(self, run: list[_Placed]) -> None:
        first, end = run[0].position, run[-1].position + run[-1].rows
        for group in self._layout.groups_of(Part.TOKENS):
            for field in group.fields:
                parts = [self._decoded(group, field, _arrays(part.payload), 0, part.rows) for part in run]
                stacked = mx.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
                for number, leaf in enumerate(group.leaves):
                    self._destination(leaf, field)[..., first:end, :] = stacked[number]

    def finish(self, position: int, windows: Sequence[Span], state: Payload | None) -> object:
        """Return the model cache that holds `position` tokens. Raises Unusable where window rows are missing."""
        self._deal_all()
        caches = self._layout.fresh()
        with mx.stream(self._stream):
            self._fill_rows(caches, position)
            for group in self._layout.groups_of(Part.WINDOW):
                self._fill_windows(caches, group, position, windows)
            if state is not None:
                self._fill_states(caches, _arrays(state))
            if self._layout.batchable:
                caches = batched(caches)
        mx.eval([cache.state for cache in caches])
        self._rows.clear()
        return caches

    def _decoded(self, group: Group, field: Field, arrays: Arrays, first: int, end: int) -> mx.array:
        """Return rows [first, end) of a stored field, stacked over the group's leaves."""
        own = {
            stored.name: arrays[f"{group.key}.{stored.name}"][:, :, first:end]
            for stored in self._precision.stored(field)
        }
        return self._precision.decode(field, own)

    def _destination(self, leaf: int, field: Field) -> mx.array:
        found = self._rows.get((leaf, field.name))
        if found is None:
            heads, width = field.shape
            found = mx.zeros((1, heads, self._capacity_tokens, width), field.dtype)
            self._rows[leaf, field.name] = found
        return found

    def _fill_rows(self, caches: list[Any], position: int) -> None:
        for group in self._layout.groups_of(Part.TOKENS):
            for number in group.leaves:
                leaf = self._layout.leaves[number]
                cache = find(caches, leaf.path)
                own = {field.name: self._destination(number, field) for field in group.fields}
                _set_rows(cache, own, position)

    def _fill_windows(self, caches: list[Any], group: Group, position: int, spans: Sequence[Span]) -> None:
        count = min(position, group.window)
        parts = list(self._window_parts(group, position - count, position, spans))
        for place, number in enumerate(group.leaves):
            cache = find(caches, self._layout.leaves[number].path)
            own = {field.name: _joined([part[field.name][place] for part in parts]) for field in group.fields}
            if any(array.shape[2] != count for array in own.values()):
                raise Unusable(f"window rows before position {position} are missing")
            _set_rows(cache, own, position)
            if type(cache) is mlx_cache.RotatingKVCache:
                cache._idx = count
            else:
                cache.start_position = position - count

    def _window_parts(self, group: Group, first: int, end: int, spans: Sequence[Span]) -> Iterator[Arrays]:
        """Yield fields, stacked over leaves, that together are the rows [first, end)."""
        begins = [span.end - self._stored_rows(group, _arrays(span.payload)) for span in spans]
        while first < end:
            fitting = [n for n, span in enumerate(spans) if begins[n] <= first < span.usable]
            if not fitting:
                return
            best = max(fitting, key=lambda n: spans[n].usable)
            upto, arrays = min(spans[best].usable, end), _arrays(spans[best].payload)
            low, high = first - begins[best], upto - begins[best]
            yield {field.name: self._decoded(group, field, arrays, low, high) for field in group.fields}
            first = upto

    def _stored_rows(self, group: Group, arrays: Arrays) -> int:
        name = self._precision.stored(group.fields[0])[0].name
        return int(arrays[f"{group.key}.{name}"].shape[2])

    def _fill_states(self, caches: list[Any], arrays: Arrays) -> None:
        for group in self._layout.groups_of(Part.STATE):
            (field,) = group.fields
            stacked = copied(arrays[f"{group.key}.{field.name}"])
            for place, number in enumerate(group.leaves):
                cache = find(caches, self._layout.leaves[number].path)
                cache[int(field.name[1:])] = stacked[place : place + 1]


def _arrays(payload: Payload) -> Arrays:
    assert isinstance(payload, KvPayload)
    return payload.arrays


def _set_rows(cache: Any, arrays: Arrays, position: int) -> None:
    cache.offset = position
    kind: type = type(cache)
    if kind is mlx_cache.QuantizedKVCache:
        cache.keys, cache.values = (tuple(arrays[f"{name}{part}"] for part in "qsb") for name in "kv")
        return
    keys = arrays["k"]
    if kind is mlx_cache.ConcatenateKVCache:
        keys = keys[..., :position, :]
    # A width of zero is not stored: indexer caches have no values.
    values = arrays.get("v", mx.zeros((*keys.shape[:3], 0), keys.dtype))
    cache.keys, cache.values = keys, values[..., : keys.shape[2], :]


def _joined(parts: list[mx.array]) -> mx.array:
    """Return rows in one array of its own, with a leading axis of 1."""
    joined = mx.concatenate(parts, axis=1) if len(parts) > 1 else copied(parts[0])
    return joined[None]
