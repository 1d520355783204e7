"""Staging memory that readers fill: allocated here once, used again when nobody holds what was built on it."""

from __future__ import annotations

import threading
from collections.abc import Generator

import mlx.core as mx

from omlx_daemon.worker.backend.kv.memory import Export, Landing, Memory

_STEP_BYTES = 64 << 10


class StagingBuffer:
    """Bytes of an mlx array that another thread may fill. Goes back to its pool when the last user drops it."""

    def __init__(self, pool: BufferPool, array: mx.array, landing: Landing) -> None:
        self._pool, self._landing = pool, landing
        self.array = array
        self._in_transit = True

    @property
    def nbytes(self) -> int:
        """Bytes of the whole buffer."""
        return int(self.array.nbytes)

    def pieces(self, size_bytes: int) -> Generator[memoryview]:
        """Yield memory to fill, piece after piece, `size_bytes` together, from the start."""
        return self._landing.pieces(size_bytes)

    def export(self, start: int, end: int) -> Export:
        """Return how to get at filled bytes."""
        return self._landing.export(start, end)

    def keep(self) -> None:
        """Count it no longer as staging memory: a tier has taken it over."""
        if self._in_transit:
            self._in_transit = False
            self._pool.arrived(self.nbytes)

    def __del__(self) -> None:
        self.keep()
        self._pool.give(self.array, self._landing)


class BufferPool:
    """Free buffers, and a bound on those in transit. `take` on the engine thread, the rest on any."""

    def __init__(self, memory: Memory, limit_bytes: int, spare_bytes: int) -> None:
        """Allow `limit_bytes` in transit; keep `spare_bytes` of free buffers for the next use."""
        self._memory, self._limit_bytes, self._spare_bytes = memory, limit_bytes, spare_bytes
        # Re-entrant: collecting garbage under the lock may drop a buffer, and that takes the lock.
        self._lock = threading.RLock()
        self._free: dict[int, list[tuple[mx.array, Landing]]] = {}
        self._free_bytes = self._transit_bytes = 0

    @property
    def transit_bytes(self) -> int:
        """Bytes handed out and not yet arrived."""
        return self._transit_bytes

    def take(self, size_bytes: int, bounded: bool) -> StagingBuffer | None:
        """Return a buffer of at least `size_bytes`, None when `bounded` and too much is in transit."""
        size_bytes = max(1, -(-size_bytes // _STEP_BYTES)) * _STEP_BYTES
        with self._lock:
            if bounded and self._transit_bytes and self._transit_bytes + size_bytes > self._limit_bytes:
                return None
            self._transit_bytes += size_bytes
            spare = self._free.get(size_bytes)
            ready = spare.pop() if spare else None
            if ready is not None:
                self._free_bytes -= size_bytes
        return StagingBuffer(self, *(ready or self._make(size_bytes)))

    def arrived(self, size_bytes: int) -> None:
        """Take note that a buffer is in transit no more."""
        with self._lock:
            self._transit_bytes -= size_bytes

    def give(self, array: mx.array, landing: Landing) -> None:
        """Take a buffer back."""
        size_bytes = int(array.nbytes)
        with self._lock:
            if self._free_bytes + size_bytes <= self._spare_bytes:
                self._free.setdefault(size_bytes, []).append((array, landing))
                self._free_bytes += size_bytes

    def clear(self) -> None:
        """Let go of the free buffers."""
        with self._lock:
            self._free.clear()
            self._free_bytes = 0

    def _make(self, size_bytes: int) -> tuple[mx.array, Landing]:
        """Return new memory, and keep more of it for the next calls where it is made together."""
        arrays = [mx.zeros((size_bytes,), mx.uint8) for _ in range(self._memory.landings_at_once)]
        first, *others = zip(arrays, self._memory.landings(arrays), strict=True)
        for pair in others:
            self.give(*pair)
        return first
