"""A pass over stored blocks, told as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from omlx_cli.contract.cache import VerifyDone, VerifyEvent, VerifyProgress
from omlx_daemon.ledger.ledger import Ledger


async def verify(ledger: Ledger, sample: int | None) -> AsyncIterator[VerifyEvent]:
    """Read blocks on a thread, all or `sample` at random; yield progress, then `VerifyDone`."""
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[VerifyProgress | None] = asyncio.Queue()

    def progress(checked: int, total: int) -> None:
        loop.call_soon_threadsafe(told.put_nowait, VerifyProgress(checked=checked, total=total))

    work = asyncio.create_task(asyncio.to_thread(ledger.verify, sample, progress))
    work.add_done_callback(lambda done: told.put_nowait(None))
    while (event := await told.get()) is not None:
        yield event
    yield VerifyDone(report=await work)
