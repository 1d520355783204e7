"""Watches memory while models are loaded: trims, shrinks, makes idle models go, and keeps new work out when it is red.

Every term is measured anew at each look. What the governor gives back comes back later; running work is never harmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from omlx_cli.contract.api import MemoryLevel, MemoryStatus, MemoryTerm
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.live import HappeningKind
from omlx_daemon.core.journal import Journal
from omlx_daemon.pool.accounts import Accounts, Held, Room
from omlx_daemon.pool.caching import Caches
from omlx_daemon.pool.memory.costs import listed
from omlx_daemon.pool.memory.levels import YELLOW_SHARE, Gauge, Judgement, Signals
from omlx_daemon.pool.slot import Phase, Slot
from omlx_daemon.pool.waits import Waits
from omlx_daemon.wire.messages import LimitKv, Trim

PERIOD_S = 0.5
TRIM_EVERY_S = 10.0
"""How often a worker that computes is asked for its free pool while memory is short: it slows a step down."""
TRIM_EVERY_RED_S = 1.0
TRIM_BYTES = 32 << 20
"""Less than this is not worth asking for."""
_UNBOUNDED_BYTES = 1 << 62
_POLL_S = 0.05
_KV_BITS = 4
"""Leading bits of a KV bound that count: small changes are not told."""


class Governor:
    """Event loop only. `clock` is the pool's, in seconds."""

    def __init__(
        self,
        accounts: Accounts,
        caches: Caches,
        waits: Waits,
        slots: Callable[[], Collection[Slot]],
        unload_one: Callable[[], None],
        clock: Callable[[], float],
        patience_s: float,
        journal: Journal,
    ) -> None:
        """`unload_one` begins to unload the idle model that may go first, if there is one; new work waits for
        `patience_s` at most while memory is red."""
        self._accounts = accounts
        self._caches = caches
        self._waits = waits
        self._slots = slots
        self._unload_one = unload_one
        self._clock = clock
        self._patience_s = patience_s
        self._journal = journal
        self._gauge = Gauge()
        self._awake = asyncio.Event()
        self._red_samples = 0
        self._trimmed_s: dict[int, float] = {}
        self._kv_limits: dict[int, int] = {}

    @property
    def level(self) -> MemoryLevel:
        """How short memory is."""
        return self._gauge.now.level

    def status(self) -> MemoryStatus:
        """Return the picture of now; never waits."""
        room, judgement = self._room(), self._gauge.now
        return MemoryStatus(
            level=judgement.level,
            reasons=judgement.reasons,
            terms=(*room.terms(), *_parts(room.used), self._hot_budget_term()),
            waiting=self._waits.lines(),
            swaps=self._waits.swaps,
        )

    async def run(self) -> None:
        """Look twice a second while there are models, until cancelled."""
        while True:
            if self.level is MemoryLevel.GREEN and not any(slot.worker or slot.is_live for slot in self._slots()):
                self._awake.clear()
                await self._awake.wait()
            self.look()
            await asyncio.sleep(PERIOD_S)

    def wake(self) -> None:
        """Begin to look, as a model is on its way."""
        self._awake.set()

    def look(self) -> None:
        """Measure, and do what the level asks for."""
        slots, room = self._slots(), self._room()
        level, judgement = self.level, self._gauge.update(self._signals(room))
        if judgement.level is not level:
            message = ", ".join((f"memory is {judgement.level}", *judgement.reasons))
            self._journal.note(HappeningKind.MEMORY, message)
        self._caches.limit_hot(self._hot_budget(room))
        self._share_kv(room)
        if judgement.level is not MemoryLevel.GREEN:
            self._trim(slots)
        self._relieve(judgement)

    async def enter(self, slot: Slot, is_wanted: Callable[[], bool]) -> None:
        """Return when a request of a loaded model may begin, or is not wanted any more: at once unless it is red.

        Work that is alone is let in where nothing but the models themselves makes it red: refusing it would help
        nobody. Raises OmlxError(MEMORY_BUSY), with every term, when waiting did not help.
        """
        clock = asyncio.get_running_loop().time
        until_s = clock() + self._patience_s
        while self._is_shut() and is_wanted():
            if clock() >= until_s:
                raise self._refusal(slot)
            await asyncio.sleep(_POLL_S)
        if slot.worker is not None and not slot.worker.running + slot.worker.queued:
            # Others may have been told of room that it takes its part of now.
            self._share_kv(self._room(), joining=slot)

    def _is_shut(self) -> bool:
        judgement = self._gauge.now
        if judgement.level is not MemoryLevel.RED:
            return False
        works = any(worker.running + worker.queued for one in self._slots() if (worker := one.worker) is not None)
        return works or bool(judgement.external)

    def _refusal(self, slot: Slot) -> OmlxError:
        room, reasons = self._room(), ", ".join(self._gauge.now.reasons)
        return OmlxError(
            Code.MEMORY_BUSY,
            f"memory is short ({reasons}) and {slot.name} takes no new request now: {listed(room.terms())}",
            "try again shortly; omlx ps  shows what is loaded, omlx unload NAME  makes room",
            retry_after_s=2.0,
        )

    def _room(self) -> Room:
        return self._accounts.room(self._slots())

    def _signals(self, room: Room) -> Signals:
        return Signals(
            used_bytes=room.used.host_bytes,
            limit_bytes=room.limit_bytes,
            reserve_bytes=self._accounts.reserve_bytes,
            reading=room.reading,
            device_used_bytes=room.used.device_bytes,
            device_cap_bytes=room.device_cap_bytes,
        )

    def _hot_budget(self, room: Room) -> int:
        """Return what all hot tiers may take: what they have, and what is left under the yellow line.

        Over the line that is less than they have, by as much as it is over.
        """
        lines: list[float] = []
        if room.shares_memory:
            lines.append(YELLOW_SHARE * room.limit_bytes - room.used.host_bytes - room.promised.host_bytes)
            lines.append(room.reading.available_bytes - room.floor_bytes - room.promised.host_bytes)
        if room.device_cap_bytes:
            lines.append(YELLOW_SHARE * room.device_cap_bytes - room.used.device_bytes - room.promised.device_bytes)
        return max(0, room.used.hot_bytes + int(min(lines, default=_UNBOUNDED_BYTES)))

    def _hot_budget_term(self) -> MemoryTerm:
        return MemoryTerm(name="hot budget", size_bytes=self._caches.hot_budget_bytes, note="of all hot tiers")

    def _share_kv(self, room: Room, joining: Slot | None = None) -> None:
        """Tell every worker what its requests' KV may take: what they are to need, and a part of what is free.

        What is free is for those that work; one that is idle is told what it would get if it began.
        """
        ready = {slot: slot.worker for slot in self._slots() if slot.phase is Phase.READY and slot.worker is not None}
        busy = [slot for slot, worker in ready.items() if slot is joining or worker.running + worker.queued]
        alive = {worker.pid for worker in ready.values()}
        self._kv_limits = {pid: bound for pid, bound in self._kv_limits.items() if pid in alive}
        for slot, worker in ready.items():
            cost, report = self._accounts.promised(slot), worker.report
            least_bytes = max(cost.kv_bytes if cost else 0, report.kv_expected_bytes, report.kv_bytes)
            free_bytes = room.beside_bytes(self._accounts.held(slot).host_bytes)
            share_bytes = free_bytes // (len(busy) if slot in busy else len(busy) + 1)
            bound = _rounded(max(1, least_bytes + share_bytes), least_bytes)
            if self._kv_limits.get(worker.pid) != bound:
                self._kv_limits[worker.pid] = bound
                worker.tell(LimitKv(kv_limit_bytes=bound))

    def _trim(self, slots: Collection[Slot]) -> None:
        now_s = self._clock()
        every_s = TRIM_EVERY_RED_S if self.level is MemoryLevel.RED else TRIM_EVERY_S
        for slot in slots:
            worker = slot.worker
            if worker is None or worker.report.cache_bytes < TRIM_BYTES:
                continue
            if now_s - self._trimmed_s.get(worker.pid, float("-inf")) >= every_s:
                self._trimmed_s[worker.pid] = now_s
                worker.tell(Trim())
        alive = {_pid(slot) for slot in slots}
        self._trimmed_s = {pid: at_s for pid, at_s in self._trimmed_s.items() if pid in alive}

    def _relieve(self, judgement: Judgement) -> None:
        """Where trimming has not helped by the second red sample, let an idle model go; one at a time."""
        self._red_samples = self._red_samples + 1 if judgement.level is MemoryLevel.RED else 0
        if self._red_samples > 1 and not any(slot.phase is Phase.UNLOADING for slot in self._slots()):
            self._unload_one()


def _parts(used: Held) -> tuple[MemoryTerm, ...]:
    return (
        MemoryTerm(name="hot tiers", size_bytes=used.hot_bytes, note="part of used; can be had again"),
        MemoryTerm(name="free pools", size_bytes=used.pool_bytes, note="part of used; can be had again"),
        MemoryTerm(name="kv", size_bytes=used.kv_bytes, note="part of used; of running requests"),
    )


def _rounded(size_bytes: int, least_bytes: int) -> int:
    """Return `size_bytes` with its leading bits alone, at least `least_bytes`."""
    shift = max(0, size_bytes.bit_length() - _KV_BITS)
    return max(size_bytes >> shift << shift, least_bytes)


def _pid(slot: Slot) -> int:
    return slot.worker.pid if slot.worker is not None else 0
