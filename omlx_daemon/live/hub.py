"""Everyone who follows the daemon: what changes is found once for all, and not at all while nobody follows."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable

import msgspec

from omlx_cli.contract.api import RequestInfo, Status
from omlx_cli.contract.live import Happening, LiveCache, LiveMemory, Snapshot
from omlx_daemon.live.delta import Delta, difference
from omlx_daemon.live.journal import Log
from omlx_daemon.live.moment import timestamp
from omlx_daemon.live.rates import Rates
from omlx_daemon.live.reader import Line, Reader

TICK_S = 0.25
SILENCE_S = 5.0
"""A stream in which nothing changes for so long gets an empty change, as a sign of life."""

_log = logging.getLogger(__name__)


class Hub:
    """Implements `core.ports.Watching`. Event loop only. `clock` is monotonic, `wall` the time of day, in seconds."""

    def __init__(
        self,
        log: Log,
        status: Callable[[], Status],
        requests: Callable[[], tuple[RequestInfo, ...]],
        cache: Callable[[], LiveCache],
        *,
        clock: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        """Watch what `status`, `requests` and `cache` tell without waiting, and what `log` is told."""
        self._log = log
        self._status = status
        self._requests = requests
        self._cache = cache
        self._clock = clock
        self._wall = wall
        self._rates = Rates(clock)
        self._readers: set[Reader] = set()
        self._now: Snapshot | None = None
        """What all readers know, once they have read everything; None while there are none."""
        self._number = 0
        self._said_s = 0.0
        self._ticking: asyncio.Task[None] | None = None
        self._closed = False
        log.told = self._happened

    async def follow(self, interval_s: float) -> AsyncGenerator[bytes, None]:
        """Yield lines of JSON: a snapshot, then changes, `interval_s` apart at least, and happenings at once."""
        reader = Reader(interval_s if interval_s > TICK_S else 0.0, self._clock)
        snapshot = self._join(reader)
        try:
            async with contextlib.aclosing(reader.lines(snapshot)) as lines:
                async for line in lines:
                    yield line
        finally:
            self._leave(reader)

    def close(self) -> None:
        """Give all readers what is new, and end."""
        self.tick()
        self._closed = True
        for reader in self._readers:
            reader.close()

    def tick(self) -> None:
        """Look at everything; give the readers what differs."""
        if self._now is None:
            return
        self._log.flush()
        found = self._look(self._number + 1)
        delta = difference(self._now, found)
        if delta.is_empty and self._clock() - self._said_s < SILENCE_S:
            self._now = msgspec.structs.replace(found, number=self._number)
            return
        self._now, self._number, self._said_s = found, self._number + 1, self._clock()
        self._tell(delta)

    def _tell(self, delta: Delta) -> None:
        line = Line(delta)
        for reader in self._readers:
            reader.change(line)

    def _join(self, reader: Reader) -> Snapshot:
        if self._now is None:
            self._log.flush()
            self._now, self._said_s = self._look(self._number), self._clock()
        self._readers.add(reader)
        if self._closed:
            reader.close()
        elif self._ticking is None:
            self._ticking = asyncio.create_task(self._tick())
        return msgspec.structs.replace(self._now, happenings=self._log.lines())

    def _leave(self, reader: Reader) -> None:
        self._readers.discard(reader)
        if self._readers:
            return
        self._now = None
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            try:
                self.tick()
            except Exception:  # noqa: BLE001 - a bug costs one look, not all that come
                _log.exception("what the daemon looks like cannot be told")

    def _happened(self, happening: Happening) -> None:
        for reader in self._readers:
            reader.happening(happening)

    def _look(self, number: int) -> Snapshot:
        status = self._status()
        return Snapshot(
            number=number,
            at=timestamp(self._wall()),
            daemon=status.daemon,
            memory=LiveMemory(
                used_bytes=status.memory_used_bytes, limit_bytes=status.memory_limit_bytes, status=status.memory
            ),
            models=status.models,
            requests=self._requests(),
            cache=self._rates.filled(self._cache()),
            running=status.running,
            queued=status.queued,
            requests_total=status.requests_total,
            prefill_tokens_per_s=round(sum(row.prefill_tokens_per_s for row in status.models), 1),
            decode_tokens_per_s=round(sum(row.decode_tokens_per_s for row in status.models), 1),
        )
