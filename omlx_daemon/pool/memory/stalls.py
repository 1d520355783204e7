"""Linux's pressure stall information: for how long work stood still for want of memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

_KINDS = ("some", "full")


class Stalls:
    """Turns the counters of one or more `memory.pressure` files into shares of the time between two readings.

    The kernel's own averages still tell of pressure ten seconds after it has gone; its counters do not.
    """

    def __init__(self, files: Sequence[Path], clock: Callable[[], float]) -> None:
        self._files = files
        self._clock = clock
        self._last = [dict.fromkeys(_KINDS, 0)] * len(files)
        self._last_s = 0.0
        self.read()

    def read(self) -> tuple[float, float]:
        """Return the worst shares of `some` and `full` since the last call; zeros where nothing is told."""
        now_s, counters = self._clock(), [_counters(file) for file in self._files]
        elapsed_us = (now_s - self._last_s) * 1e6
        shares = [
            tuple(
                max(0.0, (now[kind] - last[kind]) / elapsed_us) if kind in now and elapsed_us > 0 else 0.0
                for kind in _KINDS
            )
            for now, last in zip(counters, self._last, strict=True)
        ]
        self._last, self._last_s = [{**dict.fromkeys(_KINDS, 0), **now} for now in counters], now_s
        some = max((share[0] for share in shares), default=0.0)
        full = max((share[1] for share in shares), default=0.0)
        return min(1.0, some), min(1.0, full)


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
