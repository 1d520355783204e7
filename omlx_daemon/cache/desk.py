"""The thread at which workers' accounts are kept, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Desk:
    """Does one thing at a time, in the order in which it was asked."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._closed = False

    def post(self, work: Callable[[], object]) -> None:
        """Have `work` done; what it raises is logged."""
        if not self._closed:
            self._thread.submit(work).add_done_callback(_log_failure)

    async def run(self, work: Callable[[], T]) -> T:
        """Have `work` done and return its result. Raises what it raises."""
        return await asyncio.wrap_future(self._thread.submit(work))

    async def settle(self) -> None:
        """Return when all that was asked so far is done."""
        if not self._closed:
            await self.run(lambda: None)

    async def close(self) -> None:
        """Do what was asked so far, then end the thread."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)


def _log_failure(done: Future[object]) -> None:
    error = None if done.cancelled() else done.exception()
    if error is not None:
        _log.error("keeping the cache's accounts failed", exc_info=error)
