"""Where mlx keeps its arrays, as the threads see it that read and write files."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Protocol

import mlx.core as mx

from omlx_daemon.worker.backend.kv.raw import begin, bytes_of

PIECE_BYTES = 1 << 20
"""Read at a time: small enough to be in the processor's cache still when its checksum is computed."""

Export = Callable[[], memoryview]
"""Returns an array's bytes, which never change. Any thread; raises OSError."""


class Landing(Protocol):
    """The memory of one array that nobody uses yet."""

    def pieces(self, size_bytes: int) -> Generator[memoryview]:
        """Yield memory to fill, piece after piece, `size_bytes` together; one piece is done when the next is asked for.

        Close it when giving up half-way. Any thread; raises OSError.
        """
        ...

    def export(self, start: int, end: int) -> Export:
        """Return how to get at the bytes from `start` to `end` once they are filled."""
        ...


class Memory(Protocol):
    """Engine thread only."""

    staging_bytes: int
    """Bound of what is being read at a time."""
    gathers: bool
    """Whether starting a copy costs so much that copying twice is cheaper than many small copies."""

    copies_at_once: bool
    """Whether the thread that asks for a copy makes it faster than mlx does."""

    landings_at_once: int
    """How many arrays to ask for together, because asking takes long."""

    def landings(self, arrays: Sequence[mx.array]) -> Sequence[Landing]:
        """Evaluate arrays of bytes and return their memory."""
        ...

    def exports(self, arrays: Sequence[mx.array]) -> Callable[[], list[Export]]:
        """Begin to evaluate row-contiguous arrays; return what waits for that and says how to get at their bytes."""
        ...


class SharedLanding:
    """An array that every thread can write to."""

    def __init__(self, array: mx.array) -> None:
        self._view = bytes_of(array)
        self.size_bytes = len(self._view)

    def pieces(self, size_bytes: int) -> Generator[memoryview]:
        """Yield slices of the array itself."""
        for start in range(0, size_bytes, PIECE_BYTES):
            yield self._view[start : min(start + PIECE_BYTES, size_bytes)]

    def export(self, start: int, end: int) -> Export:
        """Return a view of the array."""
        part = self._view[start:end]
        return lambda: part


class SharedMemory:
    """Memory that processor and GPU share, or a processor alone: nothing is copied."""

    staging_bytes = 128 << 20
    gathers = False
    copies_at_once = False
    landings_at_once = 1

    def landings(self, arrays: Sequence[mx.array]) -> list[SharedLanding]:
        """Return the arrays' memory."""
        mx.eval(list(arrays))
        return [SharedLanding(array) for array in arrays]

    def exports(self, arrays: Sequence[mx.array]) -> Callable[[], list[Export]]:
        """Take views, so that other threads never ask mlx for them."""
        begin(arrays)
        return lambda: [landing.export(0, landing.size_bytes) for landing in self.landings(arrays)]


class HostMemory(SharedMemory):
    """Memory of the processor that computes: mlx would copy rows there one number after the other."""

    copies_at_once = True
