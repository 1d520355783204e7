"""Write-behind: one thread puts queued blocks into files. A full queue or a failing disk never stops a caller."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omlx_daemon.coldstore import blockfile, metadata
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.worker.cache.ledger import Budget, Ledger, WriteFailed
from omlx_daemon.worker.cache.payload import Block
from omlx_daemon.worker.cache.tier import Answer, Dropped

LOG = logging.getLogger(__name__)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
MAX_TRIES = 2
LONGEST_BREATH_S = 0.1
READY_POLL_S = 0.02

Key = tuple[bytes, Part]


@dataclass(slots=True)
class Written:
    """The writer's counters."""

    blocks: int = 0
    size_bytes: int = 0
    errors: int = 0
    dropped: int = 0
    refused: int = 0


class _NoRoom(OSError):
    """The ledger granted nothing."""


class Writer:
    """The queue and its thread. `stored` is called on the thread for every file that is in its place."""

    def __init__(
        self,
        space: Path,
        ledger: Ledger,
        stored: Callable[[BlockName, int], None],
        *,
        queue_bytes: int,
        batch_bytes: int,
        fsync: bool,
        prepare: Callable[[], object],
    ) -> None:
        """Write into the namespace `space`; `prepare` makes it again when it has vanished."""
        self._space, self._stored, self._prepare = space, stored, prepare
        self._ledger = ledger
        self._budget = Budget(ledger, batch_bytes)
        self._queue_bytes, self._fsync = queue_bytes, fsync
        self._queue: OrderedDict[Key, Block] = OrderedDict()
        self._tries: dict[Key, int] = {}
        self._queued_bytes = 0
        self._busy: Key | None = None
        self._changed = threading.Condition()
        self._hurries = 0
        self._closing = self._warned = False
        self._pause_s = 0.0
        self.written = Written()
        self._thread = threading.Thread(target=self._run, name="cache-writer", daemon=True)
        self._thread.start()

    @property
    def queued(self) -> tuple[int, int]:
        """Parts and bytes that wait."""
        with self._changed:
            return len(self._queue), self._queued_bytes

    @property
    def keys(self) -> tuple[Key, ...]:
        """What waits, the one that is being written among them."""
        with self._changed:
            return tuple(self._queue)

    def find(self, key: Key) -> Block | None:
        """Return a block that waits to be written."""
        with self._changed:
            return self._queue.get(key)

    def offer(self, block: Block) -> Answer:
        """Queue a block. Never waits."""
        key, size_bytes = (block.name.hash, block.name.part), block.payload.nbytes
        with self._changed:
            old = self._queue.get(key)
            if old is not None and (old.name.rows >= block.name.rows or key == self._busy):
                return Answer.KEPT
            if self._closing or size_bytes > self._queue_bytes:
                self.written.refused += 1
                return Answer.REFUSED
            if self._queued_bytes + size_bytes > self._queue_bytes:
                self.written.refused += 1
                return Answer.LATER
            if old is not None:
                self._remove(key)
            self._queue[key] = block
            self._queued_bytes += size_bytes
            self._changed.notify_all()
            return Answer.KEPT

    def withdraw(self, names: Sequence[BlockName]) -> None:
        """Take blocks out of the queue that need not be written any more."""
        with self._changed:
            for key in ((name.hash, name.part) for name in names):
                if key in self._queue and key != self._busy:
                    self._remove(key)

    def clear(self) -> None:
        """Take everything out of the queue."""
        with self._changed:
            for key in [key for key in self._queue if key != self._busy]:
                self._remove(key)

    def flush(self, deadline_s: float) -> Dropped:
        """Write what waits, at most so long; return what still waits."""
        until = time.monotonic() + deadline_s
        with self._changed:
            self._hurries += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(lambda: not self._queue, timeout=max(0.0, until - time.monotonic()))
            finally:
                self._hurries -= 1
            return Dropped(len(self._queue), self._queued_bytes)

    def close(self, deadline_s: float) -> Dropped:
        """Flush, then end the thread; what still waits is given up."""
        left = self.flush(deadline_s)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self.clear()
        self.written.dropped += left.parts
        self._thread.join(timeout=max(1.0, deadline_s))
        return left

    def _run(self) -> None:
        while (block := self._next()) is not None:
            started = time.monotonic()
            try:
                size_bytes = self._write(block)
            except (OSError, ValueError) as error:
                self._fail(block, error)
            else:
                self._succeed(block, size_bytes)
                self._breathe(time.monotonic() - started)
        self._budget.close()

    def _next(self) -> Block | None:
        with self._changed:
            self._busy = None
            self._changed.notify_all()
            if self._pause_s and self._queue:
                self._changed.wait_for(lambda: self._hurries > 0 or self._closing, timeout=self._pause_s)
            self._changed.wait_for(lambda: bool(self._queue) or self._closing)
            while self._queue:
                self._busy = next((key for key, block in self._queue.items() if block.payload.is_ready), None)
                if self._busy is not None:
                    return self._queue[self._busy]
                # It may be withdrawn still, so it is not waited for in its turn.
                self._changed.wait(READY_POLL_S)
                self._changed.wait_for(lambda: bool(self._queue) or self._closing)
            return None

    def _write(self, block: Block) -> int:
        tensors, details = block.payload.tensors(), metadata.encode(block.ids, block.salt_digest)
        size_bytes = blockfile.file_bytes(block.name, tensors, details)
        if not self._budget.take(size_bytes, block.name.parent):
            raise _NoRoom(errno.EDQUOT, "the cache's quota grants no room")
        try:
            return self._write_or_prepare(block.name, tensors, details)
        except BaseException:
            self._budget.put_back(size_bytes)
            raise

    def _write_or_prepare(self, name: BlockName, tensors: Sequence[blockfile.Tensor], details: dict[str, str]) -> int:
        try:
            return blockfile.write(self._space, name, tensors, details, fsync=self._fsync)
        except FileNotFoundError:
            self._prepare()
            return blockfile.write(self._space, name, tensors, details, fsync=self._fsync)

    def _succeed(self, block: Block, size_bytes: int) -> None:
        self._stored(block.name, size_bytes)
        with self._changed:
            self._remove((block.name.hash, block.name.part))
            self._pause_s = 0.0
            self.written.blocks += 1
            self.written.size_bytes += size_bytes
        if self._warned:
            LOG.warning("the cold tier writes again")
            self._warned = False

    def _fail(self, block: Block, error: Exception) -> None:
        key = (block.name.hash, block.name.part)
        with self._changed:
            self.written.errors += 1
            self._tries[key] = self._tries.get(key, 0) + 1
            if self._tries[key] >= MAX_TRIES:
                self._remove(key)
                self.written.dropped += 1
            self._pause_s = min(LONGEST_PAUSE_S, max(FIRST_PAUSE_S, 2 * self._pause_s))
        if isinstance(error, OSError) and not isinstance(error, _NoRoom):
            self._ledger.note(WriteFailed(error.errno or errno.EIO, error.strerror or str(error)))
        if not self._warned:
            LOG.warning("the cold tier cannot write, the cache goes on in memory: %s", error)
            self._warned = True

    def _breathe(self, worked_s: float) -> None:
        """Leave the other half of the disk and of a core to those who wait for an answer."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurries > 0 or self._closing, timeout=min(LONGEST_BREATH_S, worked_s))

    def _remove(self, key: Key) -> None:
        self._tries.pop(key, None)
        block = self._queue.pop(key, None)
        if block is not None:
            self._queued_bytes -= block.payload.nbytes
