"""Tells when nobody has wanted anything of the daemon for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

_SHORTEST_S = 1.0
"""Whoever started the daemon gets this long to connect, whatever the settings say."""
_LONGEST_PAUSE_S = 30.0


class IdleWatch:
    """`is_busy` tells whether there is work or a client now, `requests` how many there were so far."""

    def __init__(
        self,
        idle_s: float,
        is_busy: Callable[[], bool],
        requests: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._idle_s = max(idle_s, _SHORTEST_S)
        self._is_busy = is_busy
        self._requests = requests
        self._clock = clock
        self._pause_s = min(self._idle_s / 10, _LONGEST_PAUSE_S)

    async def wait(self) -> None:
        """Return when the daemon has been idle for `idle_s` without a break."""
        since_s, seen = self._clock(), self._requests()
        while self._is_busy() or self._clock() - since_s < self._idle_s:
            await asyncio.sleep(self._pause_s)
            if self._is_busy() or self._requests() != seen:
                since_s, seen = self._clock(), self._requests()
