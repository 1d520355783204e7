"""The cache of the whole daemon: one ledger, one budget of memory, a session for every worker."""

from __future__ import annotations

import asyncio
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.live import LiveCache
from omlx_daemon.cache.desk import Desk
from omlx_daemon.cache.former import latest_other
from omlx_daemon.cache.live import picture
from omlx_daemon.cache.plan import CachePlan
from omlx_daemon.cache.session import Session
from omlx_daemon.cache.shares import shares
from omlx_daemon.cache.tally import Tally
from omlx_daemon.cache.telling import Telling
from omlx_daemon.core.journal import Journal, NoJournal
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.explain.explainer import Explainer
from omlx_daemon.ledger.figures import ColdFigures
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy, Removed
from omlx_daemon.wire.cache import CacheStart

UPKEEP_S = 30.0
LOOK_S = 2.0
"""How soon a failing directory is noticed and tried again; twice as long after each try in vain."""
MAX_DOUBLINGS = 4
MEMORY_SHARE = 0.5
"""Of the memory that a worker has beside its model; the rest is for the requests that run."""
HOT_STEPS = 32
"""The budget moves in steps of so small a part of it, so that workers are not told of every change."""
WORTH_TELLING = 8
"""A share that changes by less than the eighth part is not told."""
RESCAN_EVERY = 10
"""Upkeeps between two looks at every file; files that come or go are looked for at each."""

_log = logging.getLogger(__name__)


class CacheService:
    """Implements `pool.caching.Caches`. Event loop only; everything that touches the disk is done elsewhere."""

    def __init__(
        self,
        plan: CachePlan,
        namespace: Callable[[ModelSpec], str],
        bits: Callable[[ModelSpec], int],
        limits: Callable[[], Policy] | None = None,
        journal: Journal | None = None,
        *,
        details: Callable[[ModelSpec], dict[str, str]] = lambda spec: {},
        explainer: Explainer | None = None,
    ) -> None:
        """Cache as `plan` says. `namespace` gives a model's fingerprint, read from disk, empty where it has none;
        `bits` how its rows are stored. `limits` measures the volume again: another one may be mounted by now. `details`
        tells what a model's namespace stands for, read from disk too."""
        self.explainer = explainer or Explainer(time.time)
        """Hears why blocks went and what models are."""
        self._details = details
        self.plan = plan
        self.tally = Tally()
        self.telling = Telling(journal or NoJournal())
        self.desk = Desk()
        self.cold_totals = (0, 0)
        """Bytes on disk, and files evicted since the start, as they were a moment ago."""
        self.why_no_cold = "" if plan.has_cold else "the cold tier is switched off"
        self._figures = ColdFigures()
        self._is_measuring = False
        self._namespace, self._bits = namespace, bits
        self._limits = limits or (lambda: plan.policy)
        self._sessions: list[Session] = []
        self._hot_limit_bytes = sys.maxsize
        self._numbers = itertools.count(1)
        self._ledger: Ledger | None = None
        self._opened: asyncio.Task[None] | None = None

    async def ledger(self) -> Ledger | None:
        """Return the ledger once the directory is read, None where there is no cold tier."""
        self.begin()
        if self._opened is not None:
            await asyncio.shield(self._opened)
        return self._ledger

    async def settled(self) -> Ledger | None:
        """Return the ledger once all that workers have told so far is in it, None where there is no cold tier."""
        ledger = await self.ledger()
        if ledger is not None:
            await self.desk.settle()
        return ledger

    def begin(self) -> None:
        """Begin to read the cache directory, unless it has begun."""
        if self.plan.has_cold and self._opened is None:
            self._opened = asyncio.create_task(self._open_ledger())

    async def run(self) -> None:
        """Keep limits and accounts until cancelled; a directory that failed is tried again, soon at first."""
        if not self.plan.has_cold:
            return
        ledger = await self._opened_at_last()
        clock, upkeeps = asyncio.get_running_loop().time, itertools.count(1)
        upkeep_s, tries = clock() + UPKEEP_S, 0
        while True:
            await asyncio.sleep(min(UPKEEP_S, LOOK_S * 2**tries))
            self.telling.trouble(ledger.degraded)
            if ledger.degraded:
                tries = 0 if await asyncio.to_thread(ledger.probe) else min(tries + 1, MAX_DOUBLINGS)
                await self._agree_on_pins(ledger)
                continue
            tries = 0
            if clock() >= upkeep_s:
                upkeep_s = clock() + UPKEEP_S
                await self._keep_up(ledger, rescan=next(upkeeps) % RESCAN_EVERY == 0)

    async def _opened_at_last(self) -> Ledger:
        """Return the ledger; a directory that cannot be used is tried again, soon at first."""
        tries = 0
        while (ledger := await self.ledger()) is None:
            await asyncio.sleep(min(UPKEEP_S, LOOK_S * 2**tries))
            tries = min(tries + 1, MAX_DOUBLINGS)
            self._opened = asyncio.create_task(self._open_ledger())
        return ledger

    async def _keep_up(self, ledger: Ledger, *, rescan: bool) -> None:
        await asyncio.to_thread(ledger.maintain)
        await asyncio.to_thread(ledger.rescan if rescan else ledger.look)
        await self._agree_on_pins(ledger)
        await self.desk.run(partial(self._count, ledger))

    async def _agree_on_pins(self, ledger: Ledger) -> None:
        """Tell workers what is pinned where that changed by itself: another directory stands in the old one's place."""
        for session in list(self._sessions):
            if session.namespace:
                pinned = await self.desk.run(partial(ledger.pinned_hashes, session.namespace))
                if pinned != session.start.pinned:
                    session.pin(pinned)

    async def open(self, spec: ModelSpec, room_bytes: int) -> Session:
        """Return the cache of a worker that is about to start, and may take `room_bytes` of memory beside the model."""
        ledger = await self.ledger()
        start, former = await asyncio.to_thread(self._start_of, spec, ledger)
        self.explainer.past.opened(spec.name, start.namespace, start.details, former)
        owner = f"{spec.name} {next(self._numbers)}"
        if not start.directory or start.waiting:
            ledger = None
        elif ledger is not None:
            await self.desk.run(partial(ledger.attach, owner, start.namespace, spec.name, start.details))
        session = Session(
            owner, spec.name, start, ledger, self.desk, self.tally, self._count, self._closed, self.telling
        )
        session.bound_bytes = int(room_bytes * MEMORY_SHARE)
        self._sessions.append(session)
        self._share_memory()
        if self._ledger is not None:
            await session.adopt(self._ledger)
        return session

    def sessions(self, model: str = "") -> Iterator[Session]:
        """Yield the workers that live, of one model where asked."""
        yield from (session for session in self._sessions if not model or session.model == model)

    def arrived(self, namespace: str, filename: str, size_bytes: int) -> None:
        """Tell the workers of a namespace of a file that came from elsewhere."""
        for session in self._sessions:
            if session.namespace == namespace:
                session.arrived([(filename, size_bytes)])

    def gone(self, namespace: str, filename: str) -> None:
        """Tell the workers of a namespace of a file that was put aside."""
        for session in self._sessions:
            if session.namespace == namespace:
                session.evicted([filename])

    async def close(self) -> None:
        """Write down what is to outlive the daemon, and let go of the directory; workers are gone already."""
        ledger = await self.ledger() if self._opened is not None else None
        await self.desk.close()
        if ledger is not None:
            await asyncio.to_thread(ledger.close)

    async def _open_ledger(self) -> None:
        loop = asyncio.get_running_loop()

        def told(removed: Sequence[Removed]) -> None:
            loop.call_soon_threadsafe(self._removed, removed)

        try:
            ledger = await self.desk.run(lambda: Ledger.open(self.plan.root, self._limits(), base=self.plan.base))
        except OmlxError as error:
            if not self.why_no_cold:
                hint = f"; {error.body.hint}" if error.body.hint else ""
                _log.warning("the KV cache is in memory alone: %s%s", error, hint)
            self.why_no_cold = str(error)
            self.telling.trouble(self.why_no_cold)
            return
        if self.why_no_cold:
            _log.warning("the KV cache is on disk too, now that %s can be used", self.plan.root)
        self.why_no_cold = ""
        self.telling.trouble("")
        ledger.listen(told)
        self._count(ledger)
        self._ledger, self._figures = ledger, await self.desk.run(ledger.figures)
        for session in list(self._sessions):
            await session.adopt(ledger)

    def _start_of(self, spec: ModelSpec, ledger: Ledger | None) -> tuple[CacheStart, Mapping[str, str]]:
        """Return what a worker is to be told, and what the model's latest other namespace on disk stands for."""
        if not self.plan.enabled:
            return CacheStart(why_off="cache.enabled is false"), {}
        namespace, bits = self._namespace(spec), self._bits(spec)
        pinned = ledger.pinned_hashes(namespace) if ledger is not None and namespace else ()
        start = CacheStart(
            enabled=True,
            namespace=namespace,
            directory=str(self.plan.root) if self.plan.has_cold and namespace else "",
            waiting=ledger is None and self.plan.has_cold,
            details={"model": spec.name, "kv_store_bits": str(bits), **self._details(spec)},
            kv_store_bits=bits,
            fsync=self.plan.fsync,
            second_hit=self.plan.second_hit,
            pinned=pinned,
        )
        return start, latest_other(self.plan.root, spec.name, namespace) if self.plan.has_cold else {}

    def live(self) -> LiveCache:
        """Return both tiers as they were a moment ago, and have the cold one looked at again; never waits."""
        if self._ledger is not None and not self._is_measuring:
            self._is_measuring = True
            self.desk.post(partial(self._measure, self._ledger))
        trouble = self._figures.degraded or self.why_no_cold
        return picture(self.plan, self.tally.rows(), self._figures, self.hot_budget_bytes, trouble)

    def _measure(self, ledger: Ledger) -> None:
        try:
            self._figures = ledger.figures()
        finally:
            self._is_measuring = False

    def _count(self, ledger: Ledger) -> None:
        self.cold_totals = ledger.totals()

    @property
    def hot_budget_bytes(self) -> int:
        """What all workers' blocks in memory may take together."""
        return min(self.plan.hot_bytes, self._hot_limit_bytes)

    def limit_hot(self, size_bytes: int, *, losing: bool = False) -> None:
        """Bound that by `size_bytes` besides. Blocks that are not on disk stay, but for `losing` those of a worker
        that has no disk to put them on."""
        step_bytes = max(1, self.plan.hot_bytes // HOT_STEPS)
        self._hot_limit_bytes = size_bytes // step_bytes * step_bytes
        self._share_memory(losing=losing)

    def _share_memory(self, *, losing: bool = False) -> None:
        """Give every worker its share of the one budget: at once where that is too much now, else where it differs."""
        budget_bytes, sessions = self.hot_budget_bytes, self._sessions
        given = shares(budget_bytes, [session.holder for session in sessions])
        is_over = sum(session.start.hot_max_bytes for session in sessions) > budget_bytes
        for session, given_bytes in zip(sessions, given, strict=True):
            told_bytes, held_bytes = session.start.hot_max_bytes, session.holder.size_bytes
            share_bytes = given_bytes if losing or session.namespace else max(given_bytes, held_bytes)
            if is_over or held_bytes > share_bytes or abs(share_bytes - told_bytes) > told_bytes // WORTH_TELLING:
                session.resize(share_bytes)

    def _closed(self, session: Session) -> None:
        self._sessions.remove(session)
        self._share_memory()

    def _removed(self, removed: Sequence[Removed]) -> None:
        self.telling.removed(removed)
        self.explainer.graves.note(removed)
        if self._ledger is not None:
            self.desk.post(partial(self._count, self._ledger))
        for session in self._sessions:
            filenames = [file.filename for file in removed if file.namespace == session.namespace]
            if filenames:
                session.evicted(filenames)
