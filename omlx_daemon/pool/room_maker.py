"""Makes room for a load: gives back what can be had again, unloads who may go, waits until the memory is there."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection

from omlx_daemon.pool import refusal
from omlx_daemon.pool.accounts import Accounts
from omlx_daemon.pool.admission import Admission
from omlx_daemon.pool.caching import Caches
from omlx_daemon.pool.policy import Stays
from omlx_daemon.pool.slot import Phase, Slot
from omlx_daemon.pool.waits import Waits
from omlx_daemon.pool.weighing import Grant, Weighing
from omlx_daemon.wire.messages import Trim

REPORT_S = 2.0
"""How long a worker that computes may take to tell what it gave back."""
BACK_S = 3.0
"""How long the system may take to show what was given back."""
AGAIN_S = 1.0
"""How often a load that waits has workers give back what they have piled up meanwhile."""
_POLL_S = 0.05

_log = logging.getLogger(__name__)


class RoomMaker:
    """One load at a time; requests for models in memory never come here."""

    def __init__(
        self,
        admission: Admission,
        accounts: Accounts,
        caches: Caches,
        waits: Waits,
        slots: Callable[[], Collection[Slot]],
        evict: Callable[[Slot], Awaitable[None]],
        patience_s: float,
    ) -> None:
        """Wait at most `patience_s` for what only time brings. `evict` unloads and returns when the process is gone."""
        self._admission = admission
        self._accounts = accounts
        self._caches = caches
        self._waits = waits
        self._slots = slots
        self._evict = evict
        self._patience_s = patience_s
        self._one_at_a_time = asyncio.Lock()

    async def make(self, slot: Slot, is_wanted: Callable[[], bool]) -> Grant | None:
        """Return what the load of `slot` may take, once it is free; None where it is not wanted any more.

        Raises OmlxError (INSUFFICIENT_MEMORY, MEMORY_BUSY) with every term.
        """
        async with self._one_at_a_time:
            try:
                return await self._make(slot, is_wanted)
            finally:
                self._waits.over(slot)

    async def _make(self, slot: Slot, is_wanted: Callable[[], bool]) -> Grant | None:
        clock = asyncio.get_running_loop().time
        until_s, given_back, again_s = clock() + self._patience_s, set[str](), clock() + AGAIN_S
        while is_wanted():
            weighing = self._weigh(slot)
            grant = weighing.grant
            if grant is not None and not grant.victims:
                self._accounts.promise(slot, grant.cost)
                return grant
            if await self._reclaim(slot, weighing, given_back):
                continue
            reason = refusal.reason(weighing)
            if weighing.possible and any(one.stays is Stays.NEW for one in weighing.residents):
                self._waits.alarm(slot, reason)
            if not weighing.possible or clock() >= until_s:
                self._waits.refused(slot, reason)
                raise refusal.error(weighing)
            self._waits.begin(slot, reason)
            await asyncio.sleep(_POLL_S)
            if clock() >= again_s:
                again_s += AGAIN_S
                given_back.clear()
        return None

    async def _reclaim(self, slot: Slot, weighing: Weighing, given_back: set[str]) -> bool:
        """Do the next thing that may help, the cheapest first; return whether there was one."""
        leaving = [other.task for other in self._others(slot) if other.phase is Phase.UNLOADING and other.task]
        if leaving:
            await asyncio.wait(leaving)
            return True
        if not weighing.reachable:
            return False
        if "pool" not in given_back:
            given_back.add("pool")
            await self._give_back_pools(slot, weighing)
            return True
        if "hot" not in given_back:
            given_back.add("hot")
            await self._shrink_hot(slot, weighing)
            return True
        if weighing.grant is None:
            return False
        # One, and then the scales again: meanwhile another may have become busy, or gone by itself.
        return await self._unload(slot, weighing.grant.victims[0])

    async def _give_back_pools(self, slot: Slot, weighing: Weighing) -> None:
        holders = {other: self._accounts.held(other) for other in self._others(slot)}
        await self._trim([other for other, held in holders.items() if held.pool_bytes])
        left_bytes = sum(self._accounts.held(other).pool_bytes for other in holders)
        freed_bytes = sum(held.pool_bytes for held in holders.values()) - left_bytes
        await self._until_back(slot, weighing, freed_bytes)

    async def _shrink_hot(self, slot: Slot, weighing: Weighing) -> None:
        holders = {
            other: held.hot_bytes for other in self._others(slot) if (held := self._accounts.held(other)).hot_bytes
        }
        if not holders:
            return
        self._caches.limit_hot(max(0, sum(holders.values()) - weighing.missing_bytes), losing=True)
        await self._trim(list(holders))
        freed_bytes = sum(before - self._accounts.held(other).hot_bytes for other, before in holders.items())
        await self._until_back(slot, weighing, freed_bytes)

    async def _unload(self, slot: Slot, name: str) -> bool:
        victim = next((other for other in self._others(slot) if other.name == name), None)
        if victim is None or not victim.is_idle:
            return False
        weighing, held = self._weigh(slot), self._accounts.held(victim)
        self._waits.swapped()
        _log.info("unloading %s to make room for %s", name, slot.name)
        await self._evict(victim)
        await self._until_back(slot, weighing, held.host_bytes if weighing.room.shares_memory else held.device_bytes)
        return True

    async def _until_back(self, slot: Slot, weighing: Weighing, freed_bytes: int) -> None:
        """Wait until the system shows at least half of what was freed: some of it may be in use again already."""
        enough_bytes = max(0, weighing.missing_bytes - freed_bytes // 2)
        await self._until(lambda: self._weigh(slot).missing_bytes <= enough_bytes, BACK_S)

    async def _trim(self, slots: Collection[Slot]) -> None:
        """Have workers return what is free inside them, and wait for what they say then."""
        asked = [(worker, worker.reports) for slot in slots if (worker := slot.worker) is not None]
        for worker, _ in asked:
            worker.tell(Trim())
        await self._until(lambda: all(one.reports > seen or one.ended for one, seen in asked), REPORT_S)

    async def _until(self, holds: Callable[[], bool], timeout_s: float) -> None:
        clock = asyncio.get_running_loop().time
        until_s = clock() + timeout_s
        while not holds():
            if clock() >= until_s:
                return
            await asyncio.sleep(_POLL_S)

    def _weigh(self, slot: Slot) -> Weighing:
        return self._admission.weigh(slot.spec, self._others(slot))

    def _others(self, slot: Slot) -> list[Slot]:
        return [other for other in self._slots() if other is not slot]
