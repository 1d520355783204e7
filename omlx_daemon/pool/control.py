"""The pool's memory as one thing: accounts, admission, reclaim and governor around one probe."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

from omlx_cli.contract.api import LoadEstimate, MemoryStatus
from omlx_daemon.core.journal import Journal
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.accounts import Accounts
from omlx_daemon.pool.admission import Admission
from omlx_daemon.pool.caching import Caches
from omlx_daemon.pool.governor import Governor
from omlx_daemon.pool.memory.probe import MemoryProbe
from omlx_daemon.pool.room_maker import RoomMaker
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.slot import Slot
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.waits import Waits
from omlx_daemon.pool.weighing import Grant

Evict = Callable[[Slot], Awaitable[None]]
"""Unloads an idle model and returns when its process is gone."""


class MemoryControl:
    """What the pool asks about memory. Event loop only."""

    def __init__(
        self,
        probe: MemoryProbe,
        settings: PoolSettings,
        state: StateStore,
        caches: Caches,
        slots: Callable[[], Collection[Slot]],
        is_pinned: Callable[[str], bool],
        evict: Evict,
        begin_unload: Callable[[Slot], None],
        clock: Callable[[], float],
        journal: Journal,
    ) -> None:
        self._slots = slots
        self._begin_unload = begin_unload
        self._accounts = Accounts(probe, settings.memory_limit_bytes, settings.memory_reserve_bytes)
        self._admission = Admission(probe, self._accounts, state, settings.min_residency_s, is_pinned)
        self._waits = Waits(clock, settings.min_residency_s)
        self._maker = RoomMaker(
            self._admission, self._accounts, caches, self._waits, slots, evict, settings.memory_patience_s
        )
        self._governor = Governor(
            self._accounts,
            caches,
            self._waits,
            slots,
            self._unload_one,
            clock,
            settings.memory_patience_s,
            journal,
        )

    @property
    def limit_bytes(self) -> int:
        """What all workers may hold together."""
        return self._accounts.limit_bytes

    @property
    def used_bytes(self) -> int:
        """What they hold, or were promised."""
        return sum(self.size_bytes(slot) for slot in self._slots())

    def size_bytes(self, slot: Slot) -> int:
        """Return what a model takes: measured, or promised while it loads."""
        return self._accounts.size_bytes(slot)

    def configure(self, settings: PoolSettings) -> None:
        """Use these settings from now on."""
        self._accounts.limit_bytes = settings.memory_limit_bytes
        self._accounts.reserve_bytes = settings.memory_reserve_bytes
        self._admission.min_residency_s = self._waits.window_s = settings.min_residency_s

    async def make_room(self, slot: Slot) -> Grant | None:
        """Return what a load may take, once it is free; None where nobody wants it any more. Raises OmlxError."""
        self._governor.wake()
        return await self._maker.make(slot, lambda: slot.unwanted is None)

    def loaded(self, slot: Slot, grant: Grant) -> None:
        """Learn from a finished load."""
        self._admission.learn(slot, grant)
        self._governor.look()

    def estimate(self, spec: ModelSpec) -> LoadEstimate:
        """Return what loading `spec` would take beside what is in memory; nothing is loaded."""
        return self._admission.estimate(spec, [slot for slot in self._slots() if slot.name != spec.name])

    async def enter(self, slot: Slot, is_wanted: Callable[[], bool]) -> None:
        """Return when a request of a loaded model may begin, or is not wanted any more. Raises OmlxError."""
        await self._governor.enter(slot, is_wanted)

    def look(self) -> None:
        """Measure, and act on it."""
        self._governor.look()

    def status(self) -> MemoryStatus:
        """Return the terms and the level of now; never waits."""
        return self._governor.status()

    async def run(self) -> None:
        """Watch until cancelled."""
        await self._governor.run()

    def _unload_one(self) -> None:
        victim = self._admission.next_victim(self._slots())
        if victim is not None:
            self._begin_unload(victim)
