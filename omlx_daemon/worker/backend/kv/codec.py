"""The cache's `Codec` for one loaded model."""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import mlx.core as mx
from mlx_lm.generate import generation_stream

from omlx_daemon.coldstore.blockfile import Header
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.backend.kv.assembly import KvAssembly
from omlx_daemon.worker.backend.kv.buffers import BufferPool, StagingBuffer
from omlx_daemon.worker.backend.kv.leaves import Field, Group, KvLayout, find
from omlx_daemon.worker.backend.kv.memory import Export, Memory, SharedMemory
from omlx_daemon.worker.backend.kv.payloads import KvPayload, Spec, in_file_order, lay, size_bytes, view
from omlx_daemon.worker.backend.kv.precision import EXACT_BITS, Precision
from omlx_daemon.worker.backend.kv.raw import AnyStream, stacked
from omlx_daemon.worker.backend.kv.rows import Arrays, Rows, Source, live_rows, live_state
from omlx_daemon.worker.cache.payload import Buffer, Needs, NotAlive, Payload, Unusable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stacked:
    """Rows [first, end) of a group's fields, each stacked over the group's leaves."""

    arrays: Arrays
    first: int
    end: int

    def rows(self, field: str, start: int, end: int) -> mx.array:
        """Return some of the rows, in memory of their own."""
        return mx.contiguous(self.arrays[field][:, :, start - self.first : end - self.first])


class KvCodec:
    """Payloads of one model's layout. Engine thread only, but for the buffers that readers fill."""

    def __init__(
        self,
        layout: KvLayout,
        *,
        store_bits: int = EXACT_BITS,
        memory: Memory | None = None,
        stream: AnyStream = generation_stream,
    ) -> None:
        """Store rows with `store_bits` (16, 8 or 4) from `memory`, where mlx keeps its arrays: shared by default."""
        self._layout, self._stream = layout, stream
        self._memory = memory or SharedMemory()
        self._precision = Precision(store_bits)
        self._pool = BufferPool(self._memory, self._memory.staging_bytes, self._memory.staging_bytes)
        self._gathered: dict[str, Stacked] = {}
        self._begun: deque[tuple[list[KvPayload], Callable[[], list[Export]]]] = deque()
        self._due = 0
        self._live: dict[tuple[int, int, int], Rows] = {}
        self._needs = layout.needs

    @property
    def needs(self) -> Needs:
        """Which parts a restore takes."""
        return self._needs

    def capture(self, source: object, part: Part, start: int, end: int) -> KvPayload:
        """Describe a copy of rows [start, end), or of the state after `end` tokens. Raises Unusable."""
        assert isinstance(source, Source)
        if self._memory.copies_at_once and self._precision.bits == EXACT_BITS and part is not Part.STATE:
            return self._copied(source, part, start, end)
        arrays: Arrays = {}
        with mx.stream(self._stream):
            for group in self._layout.groups_of(part):
                taken = self._state(source, group) if part is Part.STATE else self._rows(source, group, start, end)
                arrays.update(taken)
        order = [name for name, *_ in self._specs(part, end - start)]
        return KvPayload({name: arrays[name] for name in order})

    def gather(self, source: object, start: int, end: int) -> None:
        """Expect captures of parts of the rows [start, end), until the next `settle`. Raises as `capture` does."""
        if self._memory.gathers:
            assert isinstance(source, Source)
            with mx.stream(self._stream):
                for group in self._layout.groups_of(Part.TOKENS):
                    self._gathered[group.key] = self._stacked(source, group, start, end)

    def settle(self, payloads: Sequence[Payload]) -> None:
        """Begin to make the copies that `capture` described."""
        own = [payload for payload in payloads if isinstance(payload, KvPayload) and not payload.is_ready]
        if own:
            with mx.stream(self._stream):
                exports = self._memory.exports([array for payload in own for array in payload.arrays.values()])
            self._begun.append((own, exports))
        self._live.clear()
        self._gathered.clear()

    def seal(self, all_of_them: bool) -> None:
        """Wait for copies and hand their bytes to other threads: all, or those that were begun before the last call."""
        for _ in range(len(self._begun) if all_of_them else self._due):
            payloads, waited = self._begun.popleft()
            try:
                exports = iter(waited())
            except RuntimeError:
                log.exception("rows of the model could not be copied")
                exports = iter(())
            for payload in payloads:
                payload.seal(list(islice(exports, len(payload.arrays))))
        self._due = len(self._begun)

    def buffer(self, size_bytes: int, bounded: bool) -> StagingBuffer | None:
        """Return memory to read a file into, or None when `bounded` and too much of it is in use."""
        with mx.stream(self._stream):
            return self._pool.take(size_bytes, bounded)

    def decode(self, name: BlockName, header: Header, buffer: Buffer) -> KvPayload:
        """Return the payload that lies in a filled buffer. Raises Unusable."""
        assert isinstance(buffer, StagingBuffer)
        with mx.stream(self._stream):
            return view(header, buffer, self._specs(name.part, name.rows or name.tokens))

    def difference(self, stored: Payload, computed: Payload, part: Part) -> float:
        """Return the distance of two payloads of one part as a share of the second; infinite for other shapes."""
        assert isinstance(stored, KvPayload)
        assert isinstance(computed, KvPayload)
        with mx.stream(self._stream):
            pairs = zip(self._values(stored, part), self._values(computed, part), strict=True)
            return max((_distance(one, other) for one, other in pairs), default=0.0)

    def assembly(self, capacity_tokens: int) -> KvAssembly:
        """Begin a model cache with room for `capacity_tokens`."""
        return KvAssembly(self._layout, self._precision, capacity_tokens, self._stream, self._memory.gathers)

    def _values(self, payload: KvPayload, part: Part) -> Iterator[mx.array]:
        """Yield a payload's fields as they were before they were stored."""
        for group in self._layout.groups_of(part):
            for field in group.fields:
                if part is Part.STATE:
                    yield payload.arrays[f"{group.key}.{field.name}"]
                else:
                    names = [stored.name for stored in self._precision.stored(field)]
                    yield self._precision.decode(field, {name: payload.arrays[f"{group.key}.{name}"] for name in names})

    def _copied(self, source: Source, part: Part, start: int, end: int) -> KvPayload:
        """Return a copy of rows [start, end) that is made already. Raises NotAlive and Unusable."""
        specs = self._specs(part, end - start)
        with mx.stream(self._stream):
            buffer = self._pool.take(size_bytes(specs), bounded=False)
            assert buffer is not None
            payload = lay(buffer, specs)
            places = {tensor.name: memoryview(tensor.data) for tensor in payload.tensors()}
            for group in self._layout.groups_of(part):
                first = max(start, end - group.window) if group.window else start
                alive = self._alive(source, group, first, end)
                for field in group.fields:
                    into = places[f"{group.key}.{field.name}"]
                    share = len(into) // len(alive)
                    for number, live in enumerate(alive):
                        live.copy(field.name, first, end, into[number * share : (number + 1) * share])
        return payload

    def _rows(self, source: Source, group: Group, start: int, end: int) -> Arrays:
        if group.window:
            start = max(start, end - group.window)
        found = self._gathered.get(group.key)
        if found is None or not found.first <= start < end <= found.end:
            found = self._stacked(source, group, start, end)
        taken = {}
        for field in group.fields:
            rows = found.rows(field.name, start, end)
            for name, array in self._precision.encode(field, rows).items():
                taken[f"{group.key}.{name}"] = array
        return taken

    def _stacked(self, source: Source, group: Group, start: int, end: int) -> Stacked:
        """Return rows [start, end) of all the group's leaves. Raises NotAlive and Unusable."""
        alive = self._alive(source, group, start, end)
        names = [field.name for field in group.fields]
        return Stacked({name: stacked([live.part(name, start, end) for live in alive]) for name in names}, start, end)

    def _alive(self, source: Source, group: Group, start: int, end: int) -> list[Rows]:
        """Return what the group's leaves have, rows [start, end) among it. Raises NotAlive and Unusable."""
        found = []
        for number in group.leaves:
            live = self._live_rows(source, number)
            if start < live.first or end > live.first + live.count:
                raise NotAlive(f"rows {start} to {end} of layer {self._layout.leaves[number].path[0]} are not alive")
            for field in group.fields:
                _check(field, live.arrays[field.name])
            found.append(live)
        return found

    def _live_rows(self, source: Source, number: int) -> Rows:
        key = (id(source.caches), source.row, number)
        if key not in self._live:
            self._live[key] = live_rows(find(source.caches, self._layout.leaves[number].path), source.row)
        return self._live[key]

    def _state(self, source: Source, group: Group) -> Arrays:
        (field,) = group.fields
        arrays = []
        for number in group.leaves:
            live = live_state(find(source.caches, self._layout.leaves[number].path), source.row)
            if field.name not in live or live[field.name].shape[1:] != field.shape:
                raise Unusable(f"state {field.name} of layer {self._layout.leaves[number].path[0]} has changed shape")
            arrays.append(live[field.name][0])
        return {f"{group.key}.{field.name}": stacked(arrays)}

    def _specs(self, part: Part, rows: int) -> list[Spec]:
        specs: list[Spec] = []
        for group in self._layout.groups_of(part):
            count = len(group.leaves)
            kept = min(rows, group.window) if group.window else rows
            for field in group.fields:
                if part is Part.STATE:
                    specs.append((f"{group.key}.{field.name}", field.dtype, (count, *field.shape)))
                    continue
                for stored in self._precision.stored(field):
                    heads, width = stored.shape
                    specs.append((f"{group.key}.{stored.name}", stored.dtype, (count, heads, kept, width)))
        return in_file_order(specs)


def _distance(one: mx.array, other: mx.array) -> float:
    if one.shape != other.shape:
        return math.inf
    one, other = one.astype(mx.float32), other.astype(mx.float32)
    size = float(mx.linalg.norm(other.flatten()))
    apart = float(mx.linalg.norm((one - other).flatten()))
    distance = apart / size if size else apart
    return distance if math.isfinite(distance) else math.inf


def _check(field: Field, array: mx.array) -> None:
    if (array.shape[1], array.shape[3]) != field.shape or array.dtype != field.dtype:
        raise Unusable(f"{field.name} is {array.dtype} {tuple(array.shape)}, not as it was at load")
