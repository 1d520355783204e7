"""A model whose rows are its tokens and whose state is a digest of them: what is restored can be checked exactly."""

from __future__ import annotations

import struct
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from omlx_daemon.coldstore.blockfile import Header, Tensor
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.hashing import Image
from omlx_daemon.worker.cache.lease import Lease, LeaseState, Restored
from omlx_daemon.worker.cache.ledger import Note
from omlx_daemon.worker.cache.payload import Buffer, Needs, Payload, Span, Unusable
from omlx_daemon.worker.cache.plan import Plan
from omlx_daemon.worker.cache.store import Store

ROW_BYTES = 4


@dataclass
class FakePayload:
    data: bytes

    @property
    def nbytes(self) -> int:
        return len(self.data)

    @property
    def is_ready(self) -> bool:
        return True

    def tensors(self) -> Sequence[Tensor]:
        return [Tensor("rows", "U8", (len(self.data),), self.data)]

    def rows(self) -> list[int]:
        return list(struct.unpack(f"<{len(self.data) // ROW_BYTES}I", self.data))


@dataclass
class FakeBuffer:
    view: memoryview

    def pieces(self, size_bytes: int) -> Generator[memoryview]:
        half = size_bytes // 2
        yield self.view[:half]
        yield self.view[half:size_bytes]


@dataclass(frozen=True)
class FakeCache:
    """What a live cache of so many tokens holds."""

    tokens: tuple[int, ...]
    windows: tuple[int, ...]
    state: bytes


def digest(tokens: Sequence[int]) -> bytes:
    return blake2b(pack(tokens), digest_size=16).digest()


def pack(tokens: Sequence[int]) -> bytes:
    return struct.pack(f"<{len(tokens)}I", *tokens)


@dataclass
class FakeAssembly:
    needs: Needs
    rows: dict[int, int] = field(default_factory=dict)

    def place(self, payload: Payload, rows: int, position: int) -> None:
        assert isinstance(payload, FakePayload)
        self.rows.update({position + n: row for n, row in enumerate(payload.rows()[:rows])})

    def settle(self) -> None:
        pass

    def finish(self, position: int, windows: Sequence[Span], state: Payload | None) -> object:
        tokens = tuple(self.rows[n] for n in range(position)) if self.needs.tokens else ()
        held: dict[int, int] = {}
        for span in windows:
            assert isinstance(span.payload, FakePayload)
            rows = span.payload.rows()
            first = span.end - len(rows)
            held.update({first + n: row for n, row in enumerate(rows) if first + n < span.usable})
        first = max(0, position - self.needs.windows[0]) if self.needs.windows else position
        assert state is None or isinstance(state, FakePayload)
        return FakeCache(tokens, tuple(held[n] for n in range(first, position)), state.data if state else b"")


@dataclass
class FakeCodec:
    needs: Needs = field(default_factory=Needs)
    max_buffers: int = 4
    captured: int = 0
    fail: bool = False
    _out: list[FakeBuffer] = field(default_factory=list)

    def capture(self, source: object, part: Part, start: int, end: int) -> FakePayload:
        """`source` is the list of tokens that the live cache holds."""
        assert isinstance(source, list)
        if self.fail or end > len(source):
            raise Unusable(f"rows up to {end} of {len(source)}")
        self.captured += 1
        if part is Part.STATE:
            assert end == len(source), "a state is valid at the end alone"
            return FakePayload(digest(source))
        return FakePayload(pack(source[start:end]))

    def gather(self, source: object, start: int, end: int) -> None:
        assert isinstance(source, list)

    def settle(self, payloads: Sequence[Payload]) -> None:
        pass

    def seal(self, all_of_them: bool) -> None:
        pass

    def buffer(self, size_bytes: int, bounded: bool) -> FakeBuffer | None:
        return FakeBuffer(memoryview(bytearray(size_bytes)))

    def decode(self, name: BlockName, header: Header, buffer: Buffer) -> FakePayload:
        assert isinstance(buffer, FakeBuffer)
        if [tensor.name for tensor in header.tensors] != ["rows"]:
            raise Unusable("other tensors")
        return FakePayload(bytes(buffer.view[: header.payload_bytes]))

    def difference(self, stored: Payload, computed: Payload, part: Part) -> float:
        assert isinstance(stored, FakePayload)
        assert isinstance(computed, FakePayload)
        return float(stored.data != computed.data)

    def assembly(self, capacity_tokens: int) -> FakeAssembly:
        return FakeAssembly(self.needs)


class FakeLedger:
    """Grants what it is told to and remembers what it was told."""

    def __init__(self, grant_bytes: int = 1 << 40) -> None:
        self.grant_bytes = grant_bytes
        self.notes: list[Note] = []
        self.given_back_bytes = 0

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        granted = size_bytes if size_bytes <= self.grant_bytes else 0
        self.grant_bytes -= granted
        return granted

    def give_back(self, size_bytes: int) -> None:
        self.given_back_bytes += size_bytes

    def note(self, note: Note) -> None:
        self.notes.append(note)

    def of(self, kind: type) -> list[Note]:
        return [note for note in self.notes if isinstance(note, kind)]


def await_ready(lease: Lease, wake: threading.Event) -> None:
    """Poll as an engine does, asleep until a tier's thread has something."""
    while lease.poll() is LeaseState.LOADING:
        assert wake.wait(30), "a load never ended"
        wake.clear()
    assert lease.state is LeaseState.READY


def restore(lease: Lease, wake: threading.Event) -> Restored:
    await_ready(lease, wake)
    return lease.restore()


def check(restored: Restored, prompt: Sequence[int], needs: Needs) -> None:
    """Assert that the restored cache is just what the prompt's first tokens give."""
    assert 0 <= restored.tokens < max(1, len(prompt))
    assert sum(restored.by_tier.values()) == restored.tokens
    if not restored.tokens:
        assert restored.cache is None
        return
    assert isinstance(restored.cache, FakeCache)
    start = prompt[: restored.tokens]
    assert restored.cache.tokens == (tuple(start) if needs.tokens else ())
    first = max(0, len(start) - needs.windows[0]) if needs.windows else len(start)
    assert restored.cache.windows == tuple(start[first:])
    assert restored.cache.state == (digest(start) if needs.state else b"")


def peek(store: Store, prompt: Sequence[int], salt: str = "", images: Sequence[Image] = ()) -> Plan:
    """Return what would be reused, without using it."""
    lease = store.match(prompt, salt=salt, images=images)
    lease.release()
    return lease.plan


def serve(
    store: Store,
    prompt: Sequence[int],
    needs: Needs,
    *,
    answer: Sequence[int] = (),
    chunk: int = 300,
    wake: threading.Event | None = None,
    lease: Lease | None = None,
) -> Restored:
    """Answer one request as an engine does, and check what was restored."""
    lease = lease or store.match(prompt)
    restored = restore(lease, wake or threading.Event())
    check(restored, prompt, needs)
    prefill(lease, prompt, restored.tokens, chunk)
    live = list(prompt)
    for token in answer:
        live.append(token)
        lease.extend([token])
        if lease.is_due(len(live)):
            lease.commit(list(live), len(live))
    lease.finish(live, len(live))
    store.tick()
    return restored


def prefill(lease: Lease, prompt: Sequence[int], position: int, chunk: int, upto: int | None = None) -> int:
    """Compute chunks up to the last token but one, or to `upto`; return where it stopped."""
    last = len(prompt) - 1 if upto is None else upto
    while position < last:
        position = min(position + chunk, lease.stop_after(position) or last, last)
        lease.commit(list(prompt[:position]), position)
    return position
