"""A pass over stored blocks, told as it goes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from pathlib import Path

import msgspec

from omlx_cli.contract.cache import BadBlock, VerifyDone, VerifyEvent, VerifyProgress, VerifyReport
from omlx_daemon.cache.recomputing import Compared, Recomputing
from omlx_daemon.cache.warming import Warming
from omlx_daemon.coldstore import blockfile
from omlx_daemon.ledger.audit import MAX_PROBLEMS
from omlx_daemon.ledger.ledger import Ledger

WRONG = "not what the model computes"
NOT_HERE = "of models, settings or formats that are not here"

Models = Iterable[tuple[str, Path]]
"""Names of models, each with the directory of its namespace."""


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


def left_out(report: VerifyReport, reason: str, files: int = 1) -> VerifyReport:
    """Return `report` with so many files more that were not compared."""
    counts = Counter(report.left_out)
    counts[reason] += files
    return msgspec.structs.replace(report, left_out=dict(counts))


class DeepAudit:
    """Computes blocks again with their models; what differs goes into quarantine."""

    def __init__(self, ledger: Ledger, warming: Warming, forget: Callable[[str, str], None]) -> None:
        """Quarantine in `ledger`; `forget` hears of each block that went, by namespace and file name."""
        self._ledger, self._warming, self._forget = ledger, warming, forget

    async def run(self, models: Models, sample: int | None, report: VerifyReport) -> AsyncIterator[VerifyEvent]:
        """Compare the blocks of `models`, all or `sample` of each; yield progress, then `report` with the findings."""
        done = report.checked
        for model, space in models:
            work = await asyncio.to_thread(Recomputing, self._warming, model, space)
            chosen = work.choose(sample)
            total = done + len(chosen)
            async for compared in work.compare(chosen):
                done += 1
                report = await self._take(report, model, space, compared)
                yield VerifyProgress(checked=done, total=total)
        yield VerifyDone(report=report)

    async def _take(self, report: VerifyReport, model: str, space: Path, compared: Compared) -> VerifyReport:
        if compared.left_out:
            return left_out(report, compared.left_out)
        if not compared.is_wrong:
            return msgspec.structs.replace(report, recomputed=report.recomputed + 1)
        filename = compared.name.filename
        await asyncio.to_thread(blockfile.quarantine, space, compared.name)
        await asyncio.to_thread(partial(self._ledger.quarantined, space.name, [filename]))
        self._forget(space.name, filename)
        problem = BadBlock(model=model, filename=filename, reason=WRONG)
        problems = (*report.problems, problem)[:MAX_PROBLEMS]
        return msgspec.structs.replace(report, damaged=report.damaged + 1, problems=problems)
