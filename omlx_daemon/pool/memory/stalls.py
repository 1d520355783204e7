"""Linux's pressure stall information: for how long work stood still for want of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

PERIOD_S = 0.4
"""Readings closer together are one: in a moment, a single wait would look like standing still."""
_KINDS = ("some", "full")


class Stalls:
    """Turns the counters of one or more `memory.pressure` files into shares of the time between two readings.

    The kernel's own averages still tell of pressure ten seconds after it has gone; its counters do not.
    """

    def __init__(self, files: Sequence[Path], clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock
        self._last = [_counters(file) for file in files]
        self._last_s = clock()
        self._shares = (0.0, 0.0)

    def read(self) -> tuple[float, float]:
        """Return the worst shares of `some` and `full` of late; zeros where nothing is told."""
        elapsed_s = self._clock() - self._last_s
        if elapsed_s >= PERIOD_S:
            now = [_counters(file) for file in self._files]
            some, full = (_worst(kind, self._last, now) / (elapsed_s * 1e6) for kind in _KINDS)
            self._shares = min(1.0, some), min(1.0, full)
            self._last, self._last_s = now, self._last_s + elapsed_s
        return self._shares


def _worst(kind: str, before: Sequence[dict[str, int]], after: Sequence[dict[str, int]]) -> int:
    """Return the microseconds of the file that grew most; one that appears or vanishes did not grow."""
    pairs = zip(before, after, strict=True)
    return max((new[kind] - old[kind] for old, new in pairs if kind in old and kind in new), default=0)


def _counters(file: Path) -> dict[str, int]:
    """Return the microseconds of each kind; empty where the file tells nothing."""
    try:
        lines = file.read_text().splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        kind, _, rest = line.partition(" ")
        total = rest.rpartition("total=")[2]
        if kind in _KINDS and total.isdigit():
            found[kind] = int(total)
    return found
