"""The time of day as it was at the start, and what has passed since."""

from __future__ import annotations

import sys
import time

_PASSING = time.CLOCK_MONOTONIC if sys.platform == "darwin" else time.CLOCK_BOOTTIME
"""The clock of each system that nobody sets and that runs on through sleep."""


class SteadyClock:
    """Seconds since the epoch, for ages and orders: setting the machine's clock moves nothing."""

    def __init__(self) -> None:
        self._begun_s = time.time() - time.clock_gettime(_PASSING)

    def __call__(self) -> float:
        """Return the time."""
        return self._begun_s + time.clock_gettime(_PASSING)
