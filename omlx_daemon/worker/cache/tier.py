"""The one interface of every place where blocks lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from omlx_daemon.coldstore.blockfile import Header
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.payload import Block, Buffer, Payload


@dataclass(frozen=True, slots=True)
class Held:
    """A part that a tier has."""

    name: BlockName
    size_bytes: int
    tier: str
    at_hand: bool
    """Whether `acquire` gives it at once, without a load."""


class Answer(StrEnum):
    """What became of a part that was offered."""

    KEPT = "kept"
    REFUSED = "refused"
    """There is no room, or it is not wanted; offering it again at once is vain."""
    LATER = "later"
    """There is no room now; offer it again."""


class Failure(StrEnum):
    """Why a load gave nothing. The tier has dropped the part already."""

    MISSING = "missing"
    DAMAGED = "damaged"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A part that was read into the buffer it was given."""

    name: BlockName
    header: Header
    buffer: Buffer
    read_s: float


Outcome = Loaded | Failure


@dataclass(frozen=True, slots=True)
class TierStats:
    """A tier's figures. Counters run from the start of the process."""

    tier: str
    size_bytes: int = 0
    capacity_bytes: int = 0
    """0 is no bound of the tier's own."""
    parts: int = 0
    stored: int = 0
    evictions: int = 0
    evicted_bytes: int = 0
    spilled: int = 0
    """Evictions of what has a file in a slower tier."""
    spilled_bytes: int = 0
    refused: int = 0
    """Parts that found no room, in the tier or in its queue."""
    dropped: int = 0
    """Parts that were taken and then given up."""
    bytes_read: int = 0
    bytes_written: int = 0
    queued_parts: int = 0
    queued_bytes: int = 0
    missing: int = 0
    quarantined: int = 0
    read_errors: int = 0
    write_errors: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """What a flush could not keep."""

    parts: int = 0
    size_bytes: int = 0


class Tier(Protocol):
    """A place where parts lie. Called by the engine thread; no call waits for a disk, but `flush` and `close`."""

    @property
    def name(self) -> str:
        """The tier's name in every report."""
        ...

    def names(self) -> Iterable[BlockName]:
        """Return what the tier holds."""
        ...

    def lookup(self, digest: bytes, part: Part) -> Held | None:
        """Return the part, if it is here."""
        ...

    def acquire(self, name: BlockName) -> Payload | None:
        """Return a part that is at hand; it is not evicted before `release`."""
        ...

    def release(self, name: BlockName) -> None:
        """Give back one `acquire`."""
        ...

    def load(self, name: BlockName, buffer: Buffer, done: Callable[[Outcome], None]) -> None:
        """Begin to read a part that is not at hand; `done` is called once, on any thread."""
        ...

    def probe(self, names: Sequence[BlockName], done: Callable[[dict[bytes, bytes]], None]) -> None:
        """Begin to find out the packed token ids of blocks; `done` gets those found, by hash, on any thread."""
        ...

    def store(self, block: Block, now: int) -> Answer:
        """Keep a part, at the cost of parts not used at `now`, the store's logical time."""
        ...

    def promote(self, block: Block, since: int, now: int) -> bool:
        """Keep a part that a slower tier has, unless that would evict one used at `since` or later."""
        ...

    def touch(self, names: Sequence[BlockName], now: int) -> None:
        """Note a use, the first of `names` least worth keeping."""
        ...

    def supersede(self, names: Sequence[BlockName]) -> None:
        """Give up parts that a newer one replaces, at once or as soon as room is wanted."""
        ...

    def reject(self, name: BlockName, reason: str) -> None:
        """Drop a part whose content is not what the model needs."""
        ...

    def pin(self, hashes: frozenset[bytes]) -> None:
        """Keep the parts of these blocks, and of these alone, from eviction."""
        ...

    def evict(self, size_bytes: int) -> int:
        """Free at least `size_bytes`, if that is possible; return the bytes freed."""
        ...

    def resize(self, capacity_bytes: int) -> None:
        """Set the bound, evicting what is over it."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...

    def stats(self) -> TierStats:
        """Return the figures of now."""
        ...

    def flush(self, deadline_s: float) -> Dropped:
        """Wait for queued writes, at most so long; return what is still not kept."""
        ...

    def close(self, deadline_s: float) -> Dropped:
        """Flush, then end the tier's threads."""
        ...
