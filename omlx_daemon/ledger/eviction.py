"""Files out of the accounts and off the disk, in batches, each with its reason."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple

from omlx_daemon.coldstore.files import look_at, remove_files
from omlx_daemon.ledger.health import Health
from omlx_daemon.ledger.index import Record
from omlx_daemon.ledger.policy import Reason, Removed
from omlx_daemon.ledger.space import Shelf, Space

BATCH_FILES = 500


class Victim(NamedTuple):
    """A file on its way out."""

    space: Space
    shelf: Shelf
    record: Record


class Evictor:
    """Removes files and keeps the tally; whoever drains it tells the writers."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._removed: list[Removed] = []
        self.counts: Counter[Reason] = Counter()
        self.removed_bytes = 0

    def drain(self) -> list[Removed]:
        """Return what was removed since the last call."""
        removed, self._removed = self._removed, []
        return removed

    def gone(self, space: Space, records: Iterable[Record]) -> None:
        """Tell of blocks that somebody else removed; they are out of the accounts already."""
        self._removed += [
            Removed(space.name, record.filename, record.size_bytes, Reason.GONE, space.model) for record in records
        ]

    def free(self, need_bytes: int, reason: Reason, spaces: Sequence[Space], *, partial: bool = False) -> int:
        """Remove the files that go next until `need_bytes` on disk are free; return the bytes freed.

        Removes nothing where that cannot be reached, unless `partial`.
        """
        victims: list[Victim] = []
        freed_bytes = 0
        for victim in _in_order(spaces):
            victims.append(victim)
            freed_bytes += victim.record.disk_bytes
            if freed_bytes >= need_bytes:
                break
        if freed_bytes < need_bytes and not partial:
            _put_back(victims)
            return 0
        return sum(self._remove(victims[at : at + BATCH_FILES], reason) for at in range(0, len(victims), BATCH_FILES))

    def take(self, victims: Iterable[Victim], reason: Reason) -> list[Victim]:
        """Remove these files, as far as they are still in the accounts; return those that are gone now."""
        taken = [victim for victim in victims if victim.shelf.index.get(victim.record.filename) is victim.record]
        for victim in taken:
            victim.shelf.index.drop(victim.record.filename)
        self._remove(taken, reason)
        return [victim for victim in taken if victim.record.filename not in victim.shelf.index]

    def _remove(self, victims: list[Victim], reason: Reason) -> int:
        """Delete files that are out of the accounts already; those that stay on disk are taken back."""
        kept: set[int] = set()
        for _, group in groupby(sorted(victims, key=_place), key=_place):
            batch = list(group)
            try:
                remove_files(batch[0].shelf.directory, [victim.shelf.path(victim.record.filename) for victim in batch])
            except OSError as error:
                self._health.failed("removing a block", error)
                left = [victim for victim in batch if _is_there(victim)]
                _put_back(left)
                kept.update(id(victim.record) for victim in left)
        return self._count([victim for victim in victims if id(victim.record) not in kept], reason)

    def _count(self, victims: list[Victim], reason: Reason) -> int:
        disk_bytes = sum(victim.record.disk_bytes for victim in victims)
        self.counts[reason] += len(victims)
        self.removed_bytes += disk_bytes
        self._removed += [
            Removed(victim.space.name, victim.record.filename, victim.record.size_bytes, reason, victim.space.model)
            for victim in victims
            if victim.shelf.kind == "block"
        ]
        return disk_bytes


def _in_order(spaces: Sequence[Space]) -> Iterator[Victim]:
    """Take files out of the accounts: all in quarantine, then the least recent of all blocks."""
    for space in spaces:
        while record := space.quarantined.index.pop():
            yield Victim(space, space.quarantined, record)
    heads = [(key, place) for place, space in enumerate(spaces) if (key := space.blocks.index.peek())]
    heapq.heapify(heads)
    while heads:
        place = heapq.heappop(heads)[1]
        space = spaces[place]
        if record := space.blocks.index.pop():
            yield Victim(space, space.blocks, record)
        if key := space.blocks.index.peek():
            heapq.heappush(heads, (key, place))


def _put_back(victims: Iterable[Victim]) -> None:
    for victim in victims:
        victim.shelf.index.restore(victim.record)


def _place(victim: Victim) -> tuple[str, str]:
    return str(victim.shelf.directory), victim.shelf.kind


def _is_there(victim: Victim) -> bool:
    with suppress(OSError):
        return look_at(victim.shelf.directory, victim.shelf.path(victim.record.filename)) is not None
    return True
