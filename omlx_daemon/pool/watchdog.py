"""Finds workers that have work and make no step, tells of them, and ends those that do not come back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from omlx_cli.contract.api import StuckWorker
from omlx_daemon.core import errors
from omlx_daemon.core.entries import about
from omlx_daemon.core.journal import Journal
from omlx_daemon.pool import told
from omlx_daemon.pool.worker import Worker

LONGEST_LOOK_S = 5.0
_LOOKS = 4
"""Looks within the time after which a worker is stuck."""

_log = logging.getLogger(__name__)


class Watchdog:
    """Event loop only. `limits` returns the seconds until a worker is stuck, and until it is ended."""

    def __init__(
        self,
        workers: Callable[[], Iterable[Worker]],
        limits: Callable[[], tuple[float, float]],
        clock: Callable[[], float],
        journal: Journal,
    ) -> None:
        self._workers = workers
        self._limits = limits
        self._clock = clock
        self._journal = journal
        self._told: set[int] = set()

    def stuck(self) -> tuple[StuckWorker, ...]:
        """Return the workers that are stuck now."""
        stuck_s, restart_s = self._limits()
        found = [(worker, worker.stalled_s()) for worker in self._workers()]
        return tuple(_row(worker, stalled_s, restart_s) for worker, stalled_s in found if stalled_s >= stuck_s)

    def is_stuck(self, worker: Worker) -> bool:
        """Return whether this one is."""
        return worker.stalled_s() >= self._limits()[0]

    def look(self) -> None:
        """Say once of each worker that it is stuck; end those that were for too long."""
        restart_s = self._limits()[1]
        rows = {row.pid: row for row in self.stuck()}
        for pid in rows.keys() - self._told:
            row = rows[pid]
            text = "%s is stuck: worker %d made no step for %.0f s"
            _log.warning(text, row.model, pid, row.stuck_s, extra=about(row.request))
            told.stuck(self._journal, rows[pid])
        self._told = set(rows)
        for worker in self._workers():
            stalled_s = worker.stalled_s()
            if worker.pid in rows and stalled_s >= restart_s:
                worker.kill(errors.worker_stuck(worker.model, stalled_s).body)

    async def run(self) -> None:
        """Look now and then until cancelled. Time in which this process did not run itself blames no worker."""
        while True:
            pause_s = min(LONGEST_LOOK_S, self._limits()[0] / _LOOKS)
            before_s = self._clock()
            await asyncio.sleep(pause_s)
            lost_s = self._clock() - before_s - pause_s
            if lost_s > pause_s:
                for worker in self._workers():
                    worker.forgive(lost_s)
            self.look()


def _row(worker: Worker, stalled_s: float, restart_s: float) -> StuckWorker:
    return StuckWorker(
        model=worker.model,
        pid=worker.pid,
        request=worker.oldest_request,
        requests=worker.running + worker.queued,
        stuck_s=round(stalled_s, 1),
        restart_in_s=None if restart_s == float("inf") else round(max(0.0, restart_s - stalled_s), 1),
    )
