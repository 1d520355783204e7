"""How fast tokens come, of late."""

from __future__ import annotations

from collections.abc import Callable

MARK_S = 2.0
"""The pace is that of the time since the last mark but one: of two to four seconds, where tokens keep coming."""


class Pace:
    """Cheap to tell of every token. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._count = 0
        self._begin_s = self._mark_s = clock()
        self._begin_count = self._mark_count = 0

    def begin(self, count: int) -> None:
        """Begin anew with so many tokens, which count for nothing."""
        self._begin_s = self._mark_s = self._clock()
        self._begin_count = self._mark_count = self._count = count

    def note(self, count: int) -> None:
        """Take note of how many tokens there are now."""
        now_s = self._clock()
        if now_s - self._mark_s >= MARK_S:
            self._begin_s, self._begin_count = self._mark_s, self._mark_count
            self._mark_s, self._mark_count = now_s, count
        self._count = count

    def per_s(self) -> float:
        """Return tokens per second up to now; it falls while none come."""
        elapsed_s = self._clock() - self._begin_s
        return (self._count - self._begin_count) / elapsed_s if elapsed_s > 0 else 0.0
