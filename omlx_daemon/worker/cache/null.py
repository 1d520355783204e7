"""The tier that holds nothing, so that nobody need ask whether there is a cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.payload import Block, Buffer, Payload
from omlx_daemon.worker.cache.tier import Answer, Dropped, Failure, Held, Outcome, TierStats


class NullTier:
    """Takes nothing, finds nothing."""

    name = "null"

    def names(self) -> Iterable[BlockName]:
        """Return nothing."""
        return ()

    def lookup(self, digest: bytes, part: Part) -> Held | None:
        """Find nothing."""
        return None

    def acquire(self, name: BlockName) -> Payload | None:
        """Give nothing."""
        return None

    def release(self, name: BlockName) -> None:
        """Do nothing."""

    def load(self, name: BlockName, buffer: Buffer, done: Callable[[Outcome], None]) -> None:
        """Miss."""
        done(Failure.MISSING)

    def probe(self, names: Sequence[BlockName], done: Callable[[dict[bytes, bytes]], None]) -> None:
        """Know nothing."""
        done({})

    def store(self, block: Block, now: int) -> Answer:
        """Decline."""
        return Answer.REFUSED

    def promote(self, block: Block, since: int, now: int) -> bool:
        """Decline."""
        return False

    def touch(self, names: Sequence[BlockName], now: int) -> None:
        """Do nothing."""

    def supersede(self, names: Sequence[BlockName]) -> None:
        """Do nothing."""

    def reject(self, name: BlockName, reason: str) -> None:
        """Do nothing."""

    def pin(self, hashes: frozenset[bytes]) -> None:
        """Do nothing."""

    def evict(self, size_bytes: int) -> int:
        """Free nothing."""
        return 0

    def resize(self, capacity_bytes: int) -> None:
        """Do nothing."""

    def clear(self) -> None:
        """Do nothing."""

    def stats(self) -> TierStats:
        """Return zeros."""
        return TierStats(tier=self.name)

    def flush(self, deadline_s: float) -> Dropped:
        """Have nothing to write."""
        return Dropped()

    def close(self, deadline_s: float) -> Dropped:
        """Do nothing."""
        return Dropped()
