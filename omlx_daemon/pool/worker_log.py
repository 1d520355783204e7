"""A worker's own output, as entries of the daemon's log, bounded."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from omlx_cli.contract import logline
from omlx_cli.contract.logline import Entry
from omlx_daemon.core.entries import about

MAX_LINE_CHARACTERS = 2000
LINES_PER_MINUTE = 600
_READ_BYTES = 1 << 16

_RAW = "worker"

_log = logging.getLogger(__name__)


async def forward(output: asyncio.StreamReader, name: str, pid: int) -> None:
    """Log what a worker writes until it closes its output, naming the model and the process."""
    lines, budget = LineSplitter(), LineBudget(time.monotonic)
    entries = WorkerEntries(name, pid)
    while data := await output.read(_READ_BYTES):
        for line in lines.feed(data):
            if budget.take():
                entries.add(line)
        entries.flush()
    for line in lines.rest():
        entries.add(line)
    entries.flush()
    if budget.dropped:
        _log.warning("[%s %d] %d lines of output were left out", name, pid, budget.dropped)


class WorkerEntries:
    """Puts lines together to entries again, and logs each at its own level, with its own request.

    What is no entry of the worker's was said past its logger, by a library or by a process that dies: a warning.
    """

    def __init__(self, name: str, pid: int) -> None:
        self._who = f"[{name} {pid}]"
        self._last = Entry()
        self._lines: list[str] = []

    def add(self, line: str) -> None:
        """Take a line; what it belongs to is logged once it is whole."""
        entry = logline.parse(line)
        if entry is None and line.startswith(logline.INDENT) and self._last.at:
            self._lines.append(line.removeprefix(logline.INDENT))
            return
        self.flush()
        self._last = entry or Entry(level="warning", source=_RAW)
        self._lines.append(entry.message if entry else line)

    def flush(self) -> None:
        """Log what is held; lines that belong to it and come later are logged under the same request."""
        if not self._lines:
            return
        entry, message = self._last, "\n".join(self._lines)
        self._lines.clear()
        level = logging.getLevelNamesMapping().get(entry.level.upper(), logging.ERROR)
        _log.log(level, "%s %s", self._who, message, extra=about(entry.request, source=entry.source))


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
