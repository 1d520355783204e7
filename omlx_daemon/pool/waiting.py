"""One request's wait for its model."""

from __future__ import annotations

import asyncio

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.core.events import Loading
from omlx_daemon.pool.lifecycle import Lifecycle
from omlx_daemon.pool.live import LiveRequest
from omlx_daemon.pool.slot import Slot
from omlx_daemon.pool.worker import Worker

LOOK_S = 0.5
"""How often the progress of a load is looked at."""


class Wait:
    """Waits for a load and, at the same time, for whatever ends the request first. Close it at the end."""

    def __init__(self, lifecycle: Lifecycle, slot: Slot, live: LiveRequest) -> None:
        self._lifecycle = lifecycle
        self._slot = slot
        self._live = live
        self._load: asyncio.Task[Worker] | None = None
        self._told: Loading | None = None

    async def next(self) -> Loading | Worker:
        """Return the worker when it is there, until then how far the load is: at once, then after a change.

        Raises OmlxError where the load fails, or the request is ended.
        """
        worker = self._lifecycle.worker_of(self._slot)
        if worker is not None and self._load is None:
            return worker
        load = self._begin()
        while not (load.done() or self._live.stopped.done()):
            now = self._progress()
            if now != self._told:
                self._told = now
                return now
            both = (load, self._live.stopped)
            await asyncio.wait(both, timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
        if self._live.stopped.done():
            raise OmlxError.of(self._live.stopped.result())
        return load.result()

    def close(self) -> None:
        """Wait no longer; the load goes on."""
        if self._load is None:
            return
        self._slot.waiting -= 1
        self._load.cancel()
        if self._load.done() and not self._load.cancelled():
            self._load.exception()

    def _begin(self) -> asyncio.Task[Worker]:
        if self._load is None:
            self._slot.waiting += 1
            self._load = asyncio.create_task(self._lifecycle.bring_up(self._slot, ignore_backoff=False))
        return self._load

    def _progress(self) -> Loading:
        worker = self._slot.worker
        return Loading(share=round(worker.progress, 2) if worker else 0.0)
