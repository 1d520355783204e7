"""A worker's own output, line by line into the daemon's log, bounded."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

MAX_LINE_CHARACTERS = 2000
LINES_PER_MINUTE = 600
_READ_BYTES = 1 << 16

_log = logging.getLogger(__name__)


async def forward(output: asyncio.StreamReader, name: str, pid: int) -> None:
    """Log what a worker prints until it closes its output, naming the model and the process."""
    lines = LineSplitter()
    budget = LineBudget(time.monotonic)
    while data := await output.read(_READ_BYTES):
        for line in lines.feed(data):
            if budget.take():
                _log.info("[%s %d] %s", name, pid, line)
    for line in lines.rest():
        _log.info("[%s %d] %s", name, pid, line)
    if budget.dropped:
        _log.warning("[%s %d] %d lines of output were left out", name, pid, budget.dropped)


class LineSplitter:
    """Cuts bytes into lines; the part of a line over `MAX_LINE_CHARACTERS` is dropped."""

    def __init__(self) -> None:
        self._partial = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes, without empty ones."""
        *whole, partial = (self._partial + data).split(b"\n")
        self._partial = partial[: MAX_LINE_CHARACTERS * 4]
        return [text for line in whole if (text := _text(line))]

    def rest(self) -> list[str]:
        """Return the last line where it lacks its end."""
        text = _text(self._partial)
        self._partial = b""
        return [text] if text else []


class LineBudget:
    """Allows so many lines a minute."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.dropped = 0
        self._clock = clock
        self._minute_began_s = clock()
        self._left = LINES_PER_MINUTE

    def take(self) -> bool:
        """Return whether another line may be logged; count it if not."""
        now_s = self._clock()
        if now_s - self._minute_began_s >= 60:
            self._minute_began_s = now_s
            self._left = LINES_PER_MINUTE
        self._left -= 1
        self.dropped += self._left < 0
        return self._left >= 0


def _text(line: bytes) -> str:
    text = line.decode("utf-8", errors="replace").rstrip()
    return text[:MAX_LINE_CHARACTERS]
