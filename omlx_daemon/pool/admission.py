"""Finds room for a model: what it may take, and who has to go first. Decides, and unloads nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.memory import MemoryProbe, Room
from omlx_daemon.pool.policy import Resident, victims
from omlx_daemon.pool.slot import Phase, Slot


@dataclass(frozen=True, slots=True)
class Grant:
    """What a load was promised, and whom to unload before it starts."""

    reserved_bytes: int
    limit_bytes: int
    """What the worker may take in all, when the victims are gone."""
    victims: tuple[str, ...] = ()


class Admission:
    """Weighs a model against the limit and the system's memory. Replaceable: the pool calls these two methods."""

    def __init__(self, memory: MemoryProbe, limit_bytes: int) -> None:
        self._memory = memory
        self.limit_bytes = limit_bytes

    def held_bytes(self, slot: Slot) -> int:
        """Return what a slot's worker holds, or was promised where it still loads."""
        worker = slot.worker
        measured_bytes = 0
        if worker is not None:
            report = worker.report
            measured_bytes = max(self._memory.resident_bytes(worker.pid), report.active_bytes + report.cache_bytes)
        return max(measured_bytes, slot.reserved_bytes) if slot.phase is Phase.LOADING else measured_bytes

    def grant(self, spec: ModelSpec, slots: Collection[Slot], is_pinned: Callable[[str], bool]) -> Grant:
        """Return what `spec` may take and whom it replaces. Raises OmlxError(INSUFFICIENT_MEMORY)."""
        room = self._room(slots)
        residents = self._residents(slots, is_pinned)
        estimate = self._memory.estimate(spec)
        for wanted_bytes in (estimate.best_bytes, estimate.least_bytes):
            chosen = victims(residents, wanted_bytes - room.free_bytes)
            if chosen is not None:
                freed_bytes = sum(resident.size_bytes for resident in residents if resident.name in chosen)
                return Grant(wanted_bytes, room.free_bytes + freed_bytes, tuple(chosen))
        staying = [resident.name for resident in residents if not resident.evictable]
        raise room.refusal(spec.name, estimate.least_bytes, staying)

    def _room(self, slots: Iterable[Slot]) -> Room:
        held = {slot: self.held_bytes(slot) for slot in slots}
        promised_bytes = sum(
            max(0, bytes_ - (self._memory.resident_bytes(slot.worker.pid) if slot.worker else 0))
            for slot, bytes_ in held.items()
            if slot.phase is Phase.LOADING
        )
        available_bytes = max(0, self._memory.available_bytes() - promised_bytes)
        return Room(self.limit_bytes, sum(held.values()), available_bytes)

    def _residents(self, slots: Iterable[Slot], is_pinned: Callable[[str], bool]) -> list[Resident]:
        return [
            Resident(
                name=slot.name,
                size_bytes=self.held_bytes(slot),
                last_used_s=slot.last_used_s,
                evictable=slot.is_idle and not is_pinned(slot.name),
            )
            for slot in slots
            if slot.is_live
        ]
