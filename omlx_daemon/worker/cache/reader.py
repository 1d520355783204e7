"""The threads that read block files into buffers. They see bytes only."""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

from omlx_daemon.coldstore import blockfile, metadata
from omlx_daemon.coldstore.blockfile import BlockDamaged
from omlx_daemon.coldstore.layout import block_path
from omlx_daemon.coldstore.names import BlockName
from omlx_daemon.worker.cache.payload import Buffer
from omlx_daemon.worker.cache.tier import Failure, Loaded, Outcome

Lost = Callable[[BlockName, Failure, str], None]
_Job = Callable[[], None]


class Reader:
    """A few threads and the line of jobs before them. `lost` is told of every block that could not be read."""

    def __init__(self, space: Path, lost: Lost, threads: int) -> None:
        """Read from the namespace `space` with so many threads."""
        self._space, self._lost = space, lost
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"cache-reader-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def load(self, name: BlockName, buffer: Buffer, done: Callable[[Outcome], None]) -> None:
        """Read a block's payload; `done` is called once, on a reader's thread."""
        self._jobs.put(lambda: done(self._load(name, buffer)))

    def probe(self, names: Sequence[BlockName], done: Callable[[dict[bytes, bytes]], None]) -> None:
        """Read the token ids of blocks; those that cannot be read are left out."""
        self._jobs.put(lambda: done({name.hash: ids for name in names if (ids := self._ids(name))}))

    def touch(self, names: Sequence[BlockName]) -> None:
        """Note on disk that blocks were used now."""
        self._jobs.put(lambda: self._touch(names))

    def quarantine(self, name: BlockName, reason: str) -> None:
        """Put a file aside whose content is no use."""
        self._jobs.put(lambda: self._put_aside(name, reason))

    def close(self, deadline_s: float) -> None:
        """End the threads once the jobs before them are done."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + deadline_s
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _load(self, name: BlockName, buffer: Buffer) -> Outcome:
        started = time.monotonic()
        try:
            with blockfile.open_block(self._space, name) as block:
                with closing(buffer.pieces(block.payload_bytes)) as pieces:
                    block.read_pieces(pieces)
                with suppress(OSError):
                    block.touch()
                return Loaded(name, block.header, buffer, time.monotonic() - started)
        except FileNotFoundError:
            return self._lose(name, Failure.MISSING, "the file is gone")
        except (BlockDamaged, ValueError) as error:
            self._put_aside(name, str(error))
            return Failure.DAMAGED
        except OSError as error:
            return self._lose(name, Failure.UNREADABLE, str(error))

    def _lose(self, name: BlockName, failure: Failure, reason: str) -> Failure:
        self._lost(name, failure, reason)
        return failure

    def _put_aside(self, name: BlockName, reason: str) -> None:
        with suppress(OSError):
            blockfile.quarantine(self._space, name)
        self._lost(name, Failure.DAMAGED, reason)

    def _ids(self, name: BlockName) -> bytes | None:
        try:
            with blockfile.open_block(self._space, name) as block:
                return metadata.decode(block.header.metadata, name.tokens)
        except (BlockDamaged, OSError):
            return None

    def _touch(self, names: Sequence[BlockName]) -> None:
        for name in names:
            with suppress(OSError):
                os.utime(block_path(self._space, name), follow_symlinks=False)
