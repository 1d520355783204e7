"""The tier in RAM: payloads as they were captured, least recently used first to go.

A use of a chain touches its tail before its head, so that in order of use tails come before the heads they need.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.payload import Block, Buffer, Payload
from omlx_daemon.worker.cache.tier import Answer, Dropped, Failure, Held, Outcome, TierStats

Key = tuple[bytes, Part]


@dataclass(slots=True)
class _Entry:
    block: Block
    held: Held
    used: int
    leases: int = 0


class HotTier:
    """Parts in memory, bounded by bytes. Everything is on the engine thread."""

    name = "hot"

    def __init__(
        self, capacity_bytes: int, has_file: Callable[[bytes, Part], bool] = lambda digest, part: False
    ) -> None:
        """Hold at most `capacity_bytes`; 0 holds nothing. What `has_file` is spilled by eviction, not lost."""
        self._capacity_bytes = capacity_bytes
        self._has_file = has_file
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._pinned: frozenset[bytes] = frozenset()
        self._size_bytes = 0
        self._stored = self._evictions = self._evicted_bytes = self._refused = 0
        self._spilled = self._spilled_bytes = 0

    def names(self) -> Iterable[BlockName]:
        """Return what is held."""
        return [entry.block.name for entry in self._entries.values()]

    def lookup(self, digest: bytes, part: Part) -> Held | None:
        """Return the part, if it is here."""
        entry = self._entries.get((digest, part))
        return entry.held if entry else None

    def block(self, digest: bytes, part: Part) -> Block | None:
        """Return the part with its payload, without a lease."""
        entry = self._entries.get((digest, part))
        return entry.block if entry else None

    def acquire(self, name: BlockName) -> Payload | None:
        """Return a payload that is not evicted before `release`."""
        entry = self._entries.get((name.hash, name.part))
        if entry is None or entry.block.name.rows != name.rows:
            return None
        entry.leases += 1
        return entry.block.payload

    def release(self, name: BlockName) -> None:
        """Give back one `acquire`."""
        entry = self._entries.get((name.hash, name.part))
        if entry is not None and entry.leases:
            entry.leases -= 1
        self._shrink(self._capacity_bytes)

    def load(self, name: BlockName, buffer: Buffer, done: Callable[[Outcome], None]) -> None:
        """Answer that nothing is to be loaded: what is here is at hand."""
        done(Failure.MISSING)

    def probe(self, names: Sequence[BlockName], done: Callable[[dict[bytes, bytes]], None]) -> None:
        """Give the token ids of the blocks here."""
        blocks = [block for name in names if (block := self.block(name.hash, name.part))]
        done({block.name.hash: block.ids for block in blocks if block.ids})

    def store(self, block: Block, now: int) -> Answer:
        """Keep a part, evicting what was not used at `now`."""
        return Answer.KEPT if self._keep(block, since=now, now=now) else Answer.REFUSED

    def promote(self, block: Block, since: int, now: int) -> bool:
        """Keep a part unless that would evict one used at `since` or later."""
        return self._keep(block, since, now)

    def touch(self, names: Sequence[BlockName], now: int) -> None:
        """Note a use, the first of `names` least worth keeping."""
        for name in names:
            entry = self._entries.get((name.hash, name.part))
            if entry is not None:
                entry.used = now
                self._entries.move_to_end((name.hash, name.part))

    def supersede(self, names: Sequence[BlockName]) -> None:
        """Drop parts that a newer one replaces."""
        for name in names:
            entry = self._entries.get((name.hash, name.part))
            if entry is not None and not entry.leases and name.hash not in self._pinned:
                self._drop((name.hash, name.part))

    def reject(self, name: BlockName, reason: str) -> None:
        """Drop a part."""
        if (name.hash, name.part) in self._entries:
            self._drop((name.hash, name.part))

    def pin(self, hashes: frozenset[bytes]) -> None:
        """Keep the parts of these blocks, and of these alone, from eviction."""
        self._pinned = hashes
        self._shrink(self._capacity_bytes)

    def evict(self, size_bytes: int) -> int:
        """Free at least `size_bytes`, if that is possible; return the bytes freed."""
        before = self._size_bytes
        self._shrink(max(0, before - size_bytes))
        return before - self._size_bytes

    def resize(self, capacity_bytes: int) -> None:
        """Set the bound, evicting what is over it."""
        self._capacity_bytes = capacity_bytes
        self._shrink(capacity_bytes)

    def clear(self) -> None:
        """Forget everything that no lease holds."""
        for key in [key for key, entry in self._entries.items() if not entry.leases]:
            self._drop(key)

    def stats(self) -> TierStats:
        """Return the figures of now."""
        return TierStats(
            tier=self.name,
            size_bytes=self._size_bytes,
            capacity_bytes=self._capacity_bytes,
            parts=len(self._entries),
            stored=self._stored,
            evictions=self._evictions,
            evicted_bytes=self._evicted_bytes,
            spilled=self._spilled,
            spilled_bytes=self._spilled_bytes,
            refused=self._refused,
        )

    def flush(self, deadline_s: float) -> Dropped:
        """Do nothing: a copy in RAM has nowhere to go."""
        return Dropped()

    def close(self, deadline_s: float) -> Dropped:
        """Let go of every payload."""
        self._entries.clear()
        self._size_bytes = 0
        return Dropped()

    def _keep(self, block: Block, since: int, now: int) -> bool:
        key = (block.name.hash, block.name.part)
        size_bytes = block.payload.nbytes
        old = self._entries.get(key)
        if old is not None and old.block.name.rows >= block.name.rows:
            return True
        over = self._size_bytes + size_bytes - (old.block.payload.nbytes if old else 0) - self._capacity_bytes
        victims = self._victims(over, since, key) if over > 0 else []
        if victims is None or (old is not None and old.leases):
            self._refused += 1
            return False
        for victim in victims:
            self._evict_one(victim)
        if old:
            self._drop(key)
        self._entries[key] = _Entry(block, Held(block.name, size_bytes, self.name, at_hand=True), now)
        self._size_bytes += size_bytes
        self._stored += 1
        return True

    def _victims(self, size_bytes: int, since: int, spared: Key) -> list[Key] | None:
        """Return what to evict to free `size_bytes`, None where that much cannot be freed."""
        victims = []
        for key in self._evictable(since):
            if key != spared:
                victims.append(key)
                size_bytes -= self._entries[key].block.payload.nbytes
            if size_bytes <= 0:
                return victims
        return None

    def _evictable(self, since: int) -> Iterator[Key]:
        for key, entry in self._entries.items():
            if entry.used >= since:
                return
            if not entry.leases and key[0] not in self._pinned:
                yield key

    def _shrink(self, size_bytes: int) -> None:
        if self._size_bytes <= size_bytes:
            return
        for key in list(self._evictable(since=1 << 62)):
            if self._size_bytes <= size_bytes:
                return
            self._evict_one(key)

    def _evict_one(self, key: Key) -> None:
        size_bytes = self._entries[key].block.payload.nbytes
        self._evictions += 1
        self._evicted_bytes += size_bytes
        if self._has_file(*key):
            self._spilled += 1
            self._spilled_bytes += size_bytes
        self._drop(key)

    def _drop(self, key: Key) -> None:
        self._size_bytes -= self._entries.pop(key).block.payload.nbytes
