"""One worker's cache, seen from the daemon: its reservations and notes become the ledger's."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterable
from functools import partial

import msgspec

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_daemon.cache.desk import Desk
from omlx_daemon.cache.shares import Holder, Use
from omlx_daemon.cache.tally import Tally
from omlx_daemon.cache.telling import Telling
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.wire.cache import (
    Arrived,
    CacheCommand,
    CacheNote,
    CacheStart,
    ClearCache,
    DirectoryUsable,
    Evicted,
    GiveBack,
    Granted,
    Missing,
    PinBlocks,
    Quarantined,
    Reserve,
    ResizeHot,
    Stored,
    Superseded,
    Touched,
    WriteFailed,
)

ARRIVED_FILES = 1000
"""Named in one message, so that a worker's engine is never held up for long."""


class Session:
    """Implements `pool.caching.CacheLink`. Event loop only, but for what runs at the desk."""

    def __init__(
        self,
        owner: str,
        model: str,
        start: CacheStart,
        ledger: Ledger | None,
        desk: Desk,
        tally: Tally,
        on_stored: Callable[[Ledger], None],
        on_close: Callable[[Session], None],
        telling: Telling,
    ) -> None:
        """Keep the accounts of the worker `owner` of `model`; without a ledger it has no cold tier yet.

        `on_stored` is called at the desk, `on_close` on the event loop.
        """
        self.owner = owner
        self.model = model
        self.bound_bytes = sys.maxsize
        """What the worker may hold in memory whatever the budget allows."""
        self._start = start
        self._ledger = ledger
        self._desk = desk
        self._tally = tally
        self._on_stored = on_stored
        self._on_close = on_close
        self._telling = telling
        self._hot = TierFigures(tier="hot")
        """The tier in memory by the last report."""
        self._loop = asyncio.get_running_loop()
        self._send: Callable[[CacheCommand], None] = lambda command: None
        self._pid: int | None = None
        self._closed = False
        self._hot_bytes = 0
        self._use = Use()

    @property
    def start(self) -> CacheStart:
        """What the worker is to be told of its cache."""
        return self._start

    @property
    def namespace(self) -> str:
        """The worker's namespace, empty where it has no cold tier now."""
        return self._start.namespace if self._ledger is not None else ""

    @property
    def holder(self) -> Holder:
        """What the worker's blocks in memory are shared out by."""
        use = self._use.at(self._loop.time())
        return Holder(self._hot_bytes, self._start.hot_max_bytes, self.bound_bytes, use)

    def connect(self, pid: int, send: Callable[[CacheCommand], None]) -> None:
        """Take note of the worker's process; commands go to it by `send` from now on."""
        self._pid, self._send = pid, send

    async def adopt(self, ledger: Ledger) -> None:
        """Begin the accounts in `ledger`, whose directory could not be used when the worker started."""
        if self._ledger is not None or self._closed or not self._start.directory:
            return
        self._ledger, start = ledger, self._start
        await self._desk.run(partial(ledger.attach, self.owner, start.namespace, self.model, start.details))
        files = await self._desk.run(partial(ledger.files, start.namespace))
        pinned = await self._desk.run(partial(ledger.pinned_hashes, start.namespace))
        self._start = msgspec.structs.replace(self._start, waiting=False)
        self._send(DirectoryUsable())
        for first in range(0, len(files), ARRIVED_FILES):
            self.arrived(files[first : first + ARRIVED_FILES])
        self.pin(pinned)

    def resize(self, capacity_bytes: int) -> None:
        """Set what the worker may hold in memory; one that holds more is told again, as more may be on disk by now."""
        if capacity_bytes != self._start.hot_max_bytes or self._hot_bytes > capacity_bytes:
            self._start = msgspec.structs.replace(self._start, hot_max_bytes=capacity_bytes)
            self._send(ResizeHot(capacity_bytes=capacity_bytes, keep_unsaved=bool(self.namespace)))

    def pin(self, hashes: tuple[bytes, ...]) -> None:
        """Set the blocks that stay in the worker's memory."""
        self._start = msgspec.structs.replace(self._start, pinned=hashes)
        self._send(PinBlocks(hashes=hashes))

    def clear(self) -> None:
        """Have the worker forget what it holds in memory."""
        self._send(ClearCache())

    def evicted(self, filenames: Iterable[str]) -> None:
        """Tell the worker of files that are gone."""
        self._send(Evicted(filenames=tuple(filenames)))

    def arrived(self, files: Iterable[tuple[str, int]]) -> None:
        """Tell the worker of files, with their sizes, that came from elsewhere."""
        self._send(Arrived(files=tuple(files)))

    def take(self, note: CacheNote) -> None:
        """Act on what the worker tells or asks; the ledger's part is done at the desk, in order."""
        if isinstance(note, Quarantined):
            self._telling.quarantined(self.model, note.reason)
        if self._ledger is not None:
            self._desk.post(partial(self._account, self._ledger, note))
        elif isinstance(note, Reserve):
            self._send(Granted(id=note.id))

    def report(self, figures: ModelCacheFigures) -> None:
        """Take the worker's figures of now."""
        self._hot_bytes = sum(tier.size_bytes for tier in figures.tiers if tier.tier == "hot")
        self._use.note(figures.requested_tokens, self._loop.time())
        self._tally.report(self.owner, figures)
        self._tell_evicted(figures)

    def close(self) -> None:
        """Take note that the worker is gone; again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._tally.close(self.owner)
        if self._ledger is not None:
            self._desk.post(partial(self._ledger.release, self.owner, pid=self._pid))
        self._on_close(self)

    def _tell_evicted(self, figures: ModelCacheFigures) -> None:
        before, hot = self._hot, next((tier for tier in figures.tiers if tier.tier == "hot"), TierFigures(tier="hot"))
        self._hot = hot
        spilled, spilled_bytes = hot.spilled - before.spilled, hot.spilled_bytes - before.spilled_bytes
        lost = hot.evictions - before.evictions - spilled
        lost_bytes = hot.evicted_bytes - before.evicted_bytes - spilled_bytes
        self._telling.left_ram(self.model, spilled, spilled_bytes, is_kept=True)
        self._telling.left_ram(self.model, lost, lost_bytes, is_kept=False)

    def _account(self, ledger: Ledger, note: CacheNote) -> None:
        namespace = self._start.namespace
        match note:
            case Reserve():
                granted = ledger.reserve(self.owner, namespace, note.size_bytes, parent=note.parent)
                answer = Granted(id=note.id, size_bytes=granted)
                self._loop.call_soon_threadsafe(self._send, answer)
            case GiveBack():
                ledger.give_back(self.owner, namespace, note.size_bytes)
            case Stored():
                ledger.stored(self.owner, namespace, note.filename, note.size_bytes)
                self._on_stored(ledger)
            case Touched():
                ledger.touched(namespace, note.filenames)
            case Superseded():
                ledger.discard(namespace, note.filenames)
            case Missing():
                ledger.missing(namespace, [note.filename])
            case Quarantined():
                ledger.quarantined(namespace, [note.filename])
            case WriteFailed():
                ledger.failed(self.owner, OSError(note.errno, note.reason))
                self._loop.call_soon_threadsafe(self._telling.trouble, ledger.degraded)
