"""The tier on disk: an index built from file names, readers, and a writer behind a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from omlx_daemon.coldstore import names as block_names
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.coldstore.scan import scan_namespace
from omlx_daemon.coldstore.seen import Seen
from omlx_daemon.worker.cache.ledger import Ledger, Missing, Quarantined, Stored, Superseded, Touched
from omlx_daemon.worker.cache.payload import Block, Buffer, Payload
from omlx_daemon.worker.cache.reader import Reader
from omlx_daemon.worker.cache.tier import Answer, Dropped, Failure, Held, Outcome, TierStats
from omlx_daemon.worker.cache.writer import Writer

TOUCH_EVERY_S = 60.0

Key = tuple[bytes, Part]


class ColdTier:
    """Block files of one namespace. Engine thread, except where the readers and the writer call back."""

    name = "cold"

    def __init__(
        self,
        space: Path,
        ledger: Ledger,
        *,
        readers: int = 4,
        queue_bytes: int = 512 << 20,
        batch_bytes: int = 64 << 20,
        fsync: bool = False,
        second_hit: bool = False,
        waiting: bool = False,
        prepare: Callable[[], object] | None = None,
    ) -> None:
        """Open the namespace `space`: every block there is found from its name.

        `second_hit` writes a block only when it is offered for the second time. `waiting` leaves the directory alone
        until `begin`. `prepare` makes the namespace again when it has vanished; without one the directory alone is
        made.
        """
        self._ledger = ledger
        self._seen = Seen() if second_hit else None
        self._lock = threading.Lock()
        self._files: dict[Key, Held] = {}
        self._size_bytes = 0
        self._touched: dict[Key, float] = {}
        self._pinned: frozenset[bytes] = frozenset()
        self._superseded: set[Key] = set()
        self._bytes_read = self._missing = self._quarantined = self._read_errors = 0
        self._waiting = waiting
        if not waiting:
            self._scan(space)
        self._reader = Reader(space, self._lose, readers)
        self._writer = Writer(
            space,
            ledger,
            self._add,
            queue_bytes=queue_bytes,
            batch_bytes=batch_bytes,
            fsync=fsync,
            prepare=prepare or (lambda: space.mkdir(parents=True, exist_ok=True)),
        )

    def begin(self) -> None:
        """Use the directory from now on, where it could not be used before; `take_over` is told what lies there."""
        self._waiting = False

    def names(self) -> Iterable[BlockName]:
        """Return the blocks that have a file."""
        with self._lock:
            return [held.name for held in self._files.values()]

    def lookup(self, digest: bytes, part: Part) -> Held | None:
        """Return the part, if it waits to be written or has a file."""
        block = self._writer.find((digest, part))
        if block is not None:
            return Held(block.name, block.payload.nbytes, self.name, at_hand=True)
        return self._files.get((digest, part))

    def has_file(self, digest: bytes, part: Part) -> bool:
        """Tell whether the part has a file; what waits to be written may yet be refused or fail."""
        return (digest, part) in self._files

    def acquire(self, name: BlockName) -> Payload | None:
        """Return a payload that still waits to be written."""
        block = self._writer.find((name.hash, name.part))
        return block.payload if block is not None and block.name.rows == name.rows else None

    def release(self, name: BlockName) -> None:
        """Do nothing: a payload in the queue lives as long as somebody holds it."""

    def load(self, name: BlockName, buffer: Buffer, done: Callable[[Outcome], None]) -> None:
        """Read a file on a reader's thread."""
        self._reader.load(name, buffer, lambda outcome: done(self._count(outcome)))

    def probe(self, names: Sequence[BlockName], done: Callable[[dict[bytes, bytes]], None]) -> None:
        """Read token ids from headers on a reader's thread."""
        self._reader.probe(names, done)

    def store(self, block: Block, now: int) -> Answer:
        """Queue a part for its file."""
        if self._waiting:
            return Answer.REFUSED
        key = (block.name.hash, block.name.part)
        with self._lock:
            self._superseded.discard(key)
        file = self._files.get(key)
        if file is not None and file.name.rows >= block.name.rows:
            return Answer.KEPT
        if self._seen is not None and not self._seen.again(block.name.hash + block.name.part.value.encode()):
            return Answer.REFUSED
        return self._writer.offer(block)

    def promote(self, block: Block, since: int, now: int) -> bool:
        """Decline: no tier is slower."""
        return False

    def touch(self, names: Sequence[BlockName], now: int) -> None:
        """Note a use, on disk and with the ledger, not more often than once a minute for a block."""
        clock = time.monotonic()
        due = [name for name in names if self._is_due((name.hash, name.part), clock)]
        if due:
            self._touched.update(((name.hash, name.part), clock) for name in due)
            self._reader.touch(due)
            self._ledger.note(Touched(tuple(due)))

    def supersede(self, names: Sequence[BlockName]) -> None:
        """Leave unwritten what waits and is not pinned; tell the ledger of the rest, of what gets its file then."""
        self._writer.withdraw([name for name in names if name.hash not in self._pinned])
        with self._lock:
            self._superseded.update(key for name in names if self._writer.find(key := (name.hash, name.part)))
        files = tuple(name for name in names if (name.hash, name.part) in self._files)
        if files:
            self._ledger.note(Superseded(files))

    def reject(self, name: BlockName, reason: str) -> None:
        """Put the file aside."""
        self._writer.withdraw([name])
        self.forget([name])
        self._reader.quarantine(name, reason)

    def pin(self, hashes: frozenset[bytes]) -> None:
        """See to it that parts of these blocks, and of these alone, get their files; there the ledger keeps them."""
        self._pinned = hashes

    def evict(self, size_bytes: int) -> int:
        """Free nothing: the ledger deletes."""
        return 0

    def resize(self, capacity_bytes: int) -> None:
        """Do nothing: the ledger keeps the quota."""

    def forget(self, names: Iterable[BlockName]) -> None:
        """Drop files from the index that the ledger has deleted."""
        with self._lock:
            for name in names:
                self._discard((name.hash, name.part))

    def take_over(self, files: Iterable[tuple[BlockName, int]]) -> None:
        """Add files, with their sizes, that came from elsewhere to the index."""
        with self._lock:
            for name, size_bytes in files:
                self._insert(name, size_bytes)

    def withdraw(self) -> None:
        """Leave unwritten what waits; tell the ledger to let go of what is being written, once it has its file."""
        self._writer.clear()
        with self._lock:
            self._superseded.update(self._writer.keys)

    def clear(self) -> None:
        """Forget every file and what waits to become one."""
        self._writer.clear()
        with self._lock:
            self._files.clear()
            self._touched.clear()
            self._size_bytes = 0

    def stats(self) -> TierStats:
        """Return the figures of now."""
        written, (queued_parts, queued_bytes) = self._writer.written, self._writer.queued
        return TierStats(
            tier=self.name,
            size_bytes=self._size_bytes,
            parts=len(self._files),
            stored=written.blocks,
            refused=written.refused,
            dropped=written.dropped,
            bytes_read=self._bytes_read,
            bytes_written=written.size_bytes,
            queued_parts=queued_parts,
            queued_bytes=queued_bytes,
            missing=self._missing,
            quarantined=self._quarantined,
            read_errors=self._read_errors,
            write_errors=written.errors,
        )

    def flush(self, deadline_s: float) -> Dropped:
        """Wait for the queue to be written, at most so long."""
        return self._writer.flush(deadline_s)

    def close(self, deadline_s: float) -> Dropped:
        """Flush, then end the threads."""
        left = self._writer.close(deadline_s)
        self._reader.close(max(1.0, deadline_s))
        return left

    def _scan(self, space: Path) -> None:
        try:
            found = scan_namespace(space).blocks
        except FileNotFoundError:
            return
        for file in sorted(found, key=lambda file: file.mtime_ns):
            if (name := block_names.parse(file.filename)) is not None:
                self._insert(name, file.size_bytes)

    def _is_due(self, key: Key, clock: float) -> bool:
        return key in self._files and clock - self._touched.get(key, -TOUCH_EVERY_S) >= TOUCH_EVERY_S

    def _count(self, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, Failure):
            with self._lock:
                self._bytes_read += outcome.header.payload_bytes
        return outcome

    def _add(self, name: BlockName, size_bytes: int) -> None:
        with self._lock:
            self._insert(name, size_bytes)
            is_superseded = (name.hash, name.part) in self._superseded
            self._superseded.discard((name.hash, name.part))
        self._ledger.note(Stored(name, size_bytes))
        if is_superseded:
            self._ledger.note(Superseded((name,)))

    def _lose(self, name: BlockName, failure: Failure, reason: str) -> None:
        with self._lock:
            self._discard((name.hash, name.part))
            self._missing += failure is Failure.MISSING
            self._quarantined += failure is Failure.DAMAGED
            self._read_errors += failure is Failure.UNREADABLE
        self._ledger.note(Quarantined(name, reason) if failure is Failure.DAMAGED else Missing(name, reason))

    def _insert(self, name: BlockName, size_bytes: int) -> None:
        key = (name.hash, name.part)
        old = self._files.get(key)
        if old is not None and old.name.rows > name.rows:
            return
        self._discard(key)
        self._files[key] = Held(name, size_bytes, self.name, at_hand=False)
        self._size_bytes += size_bytes

    def _discard(self, key: Key) -> None:
        held = self._files.pop(key, None)
        if held is not None:
            self._size_bytes -= held.size_bytes
            self._touched.pop(key, None)
