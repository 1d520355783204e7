"""What every worker holds and was promised, and the room that this leaves. Measures; decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from omlx_cli.contract.api import MemoryTerm
from omlx_daemon.pool.memory.costs import Cost
from omlx_daemon.pool.memory.probe import MemoryProbe, Reading
from omlx_daemon.pool.slot import Phase, Slot

_UNBOUNDED_BYTES = 1 << 62


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes of one or more workers. `pool_bytes` and `hot_bytes` are parts of the others that can be had again."""

    host_bytes: int = 0
    device_bytes: int = 0
    pool_bytes: int = 0
    hot_bytes: int = 0
    kv_bytes: int = 0
    kv_expected_bytes: int = 0

    def __add__(self, other: Held) -> Held:
        return Held(
            self.host_bytes + other.host_bytes,
            self.device_bytes + other.device_bytes,
            self.pool_bytes + other.pool_bytes,
            self.hot_bytes + other.hot_bytes,
            self.kv_bytes + other.kv_bytes,
            self.kv_expected_bytes + other.kv_expected_bytes,
        )

    def again(self, shares_memory: bool) -> Held:
        """Return what of it can be had again while the models stay: pools and blocks lie where the arrays lie."""
        back_bytes = self.pool_bytes + self.hot_bytes
        return Held(host_bytes=back_bytes if shares_memory else 0, device_bytes=back_bytes)


@dataclass(frozen=True, slots=True)
class Room:
    """The terms of one decision, all in bytes."""

    limit_bytes: int
    used: Held
    promised: Held
    """What loads under way, and one request of every model, are still going to take."""
    reading: Reading
    floor_bytes: int
    """What a load leaves of the system's available memory."""
    device_cap_bytes: int
    shares_memory: bool
    """Whether the device's arrays lie in the system's memory."""

    @property
    def host_bytes(self) -> int:
        """What may still be taken of the system's memory."""
        limited = self.limit_bytes - self.used.host_bytes - self.promised.host_bytes
        return min(limited, self.reading.available_bytes - self.floor_bytes - self.promised.host_bytes)

    @property
    def device_bytes(self) -> int:
        """What the device's arrays may still take."""
        taken_bytes = self.used.device_bytes + self.promised.device_bytes
        capped = self.device_cap_bytes - taken_bytes if self.device_cap_bytes else _UNBOUNDED_BYTES
        free_bytes = self.reading.device_free_bytes
        return capped if free_bytes is None else min(capped, free_bytes - self.promised.device_bytes)

    @property
    def free_bytes(self) -> int:
        """What may be taken where arrays are what is taken; never negative."""
        least = min(self.host_bytes, self.device_bytes) if self.shares_memory else self.device_bytes
        return max(0, min(least, _UNBOUNDED_BYTES))

    def beside_bytes(self, held_bytes: int) -> int:
        """Return what a process that holds so much may take of what is free."""
        cap_bytes = self.reading.process_cap_bytes
        return min(self.free_bytes, max(0, cap_bytes - held_bytes)) if cap_bytes else self.free_bytes

    def missing_bytes(self, cost: Cost) -> int:
        """Return what lacks for `cost`; 0 or less where it fits."""
        cap_bytes = self.reading.process_cap_bytes or _UNBOUNDED_BYTES
        return max(
            cost.host_bytes - self.host_bytes, cost.device_bytes - self.device_bytes, cost.host_bytes - cap_bytes
        )

    def could_ever_fit(self, cost: Cost, staying: Iterable[Held]) -> bool:
        """Return whether `cost` would fit beside `staying` if nothing else took memory."""
        least = sum(staying, Held())
        if cost.host_bytes > (self.reading.process_cap_bytes or _UNBOUNDED_BYTES):
            return False
        host_bytes = min(self.limit_bytes, self.reading.total_bytes - self.floor_bytes) - least.host_bytes
        cap_bytes = self.device_cap_bytes or _UNBOUNDED_BYTES
        return cost.host_bytes <= host_bytes and cost.device_bytes <= cap_bytes - least.device_bytes

    def without(self, held: Iterable[Held]) -> Room:
        """Return the room as it would be if the holders gave this back."""
        back = sum(held, Held())
        freed_bytes = self.reading.device_free_bytes
        reading = replace(
            self.reading,
            available_bytes=self.reading.available_bytes + back.host_bytes,
            device_free_bytes=None if freed_bytes is None else freed_bytes + back.device_bytes,
        )
        used = replace(
            self.used,
            host_bytes=self.used.host_bytes - back.host_bytes,
            device_bytes=self.used.device_bytes - back.device_bytes,
        )
        return replace(self, used=used, reading=reading)

    def terms(self) -> tuple[MemoryTerm, ...]:
        """Return the figures that decide, by name."""
        bounded = f"of the control group {self.reading.bounded_by}" if self.reading.bounded_by else "of the system"
        found = [
            MemoryTerm(name="limit", size_bytes=self.limit_bytes, note="memory.limit"),
            MemoryTerm(name="used", size_bytes=self.used.host_bytes, note="by all workers"),
            MemoryTerm(name="promised", size_bytes=self.promised.host_bytes, note="to loads and to requests"),
            MemoryTerm(name="available", size_bytes=self.reading.available_bytes, note=f"{bounded}, without swapping"),
            MemoryTerm(name="kept free", size_bytes=self.floor_bytes, note="half of memory.reserve"),
        ]
        if self.reading.process_cap_bytes:
            note = "ulimit -d, less what is never touched"
            found.append(MemoryTerm(name="process limit", size_bytes=self.reading.process_cap_bytes, note=note))
        if self.device_cap_bytes:
            note = "working set" if self.shares_memory else "memory of the GPU"
            found.append(MemoryTerm(name="device cap", size_bytes=self.device_cap_bytes, note=note))
            found.append(MemoryTerm(name="device used", size_bytes=self.used.device_bytes, note="by all workers"))
        if self.reading.device_free_bytes is not None:
            found.append(MemoryTerm(name="device free", size_bytes=self.reading.device_free_bytes))
        return tuple(found)


class Accounts:
    """Reads the system and the workers. Event loop only."""

    def __init__(self, probe: MemoryProbe, limit_bytes: int, reserve_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.reserve_bytes = reserve_bytes
        self._probe = probe
        self._promises: dict[str, Cost] = {}

    def promise(self, slot: Slot, cost: Cost | None) -> None:
        """Note what a load may take; None where there is none any more."""
        if cost is None:
            self._promises.pop(slot.name, None)
        else:
            self._promises[slot.name] = cost

    def promised(self, slot: Slot) -> Cost | None:
        """Return what the slot's load was granted, while the model is in memory or on its way there."""
        return self._promises.get(slot.name) if slot.phase in (Phase.LOADING, Phase.READY) else None

    def held(self, slot: Slot) -> Held:
        """Return what a slot's worker holds, as it is measured."""
        worker = slot.worker
        if worker is None:
            return Held()
        report = worker.report
        array_bytes = report.active_bytes + report.cache_bytes
        resident_bytes = self._probe.resident_bytes(worker.pid)
        tiers = report.cache.tiers if report.cache else ()
        return Held(
            host_bytes=resident_bytes if self._probe.has_device_memory else max(resident_bytes, array_bytes),
            device_bytes=array_bytes,
            pool_bytes=report.cache_bytes,
            hot_bytes=sum(tier.size_bytes for tier in tiers if tier.tier == "hot"),
            kv_bytes=report.kv_bytes,
            kv_expected_bytes=report.kv_expected_bytes,
        )

    def size_bytes(self, slot: Slot) -> int:
        """Return what a model takes, for people: measured, or promised while it loads."""
        held, cost = self.held(slot), self.promised(slot)
        measured = held.device_bytes if self._probe.has_device_memory else held.host_bytes
        return max(measured, cost.total_bytes) if cost and slot.phase is Phase.LOADING else measured

    def room(self, slots: Collection[Slot]) -> Room:
        """Return the terms of now, with all of `slots` in memory as they are."""
        held = {slot: self.held(slot) for slot in slots}
        reading = self._probe.read()
        return Room(
            limit_bytes=self.limit_bytes,
            used=sum(held.values(), Held()),
            promised=sum((self._due(slot, one) for slot, one in held.items()), Held()),
            reading=reading,
            floor_bytes=self.reserve_bytes // 2,
            device_cap_bytes=self._device_cap(slots) or reading.device_cap_bytes,
            shares_memory=not self._probe.has_device_memory,
        )

    def _due(self, slot: Slot, held: Held) -> Held:
        """Return what a slot is still going to take of what it was granted."""
        cost = self.promised(slot)
        if cost is None:
            return Held()
        if slot.phase is Phase.LOADING:
            host_bytes = cost.host_bytes - held.host_bytes
            return Held(max(0, host_bytes), max(0, cost.device_bytes - held.device_bytes))
        request_bytes = max(0, max(cost.kv_bytes, held.kv_expected_bytes) - held.kv_bytes)
        return Held(0 if self._probe.has_device_memory else request_bytes, request_bytes)

    @staticmethod
    def _device_cap(slots: Iterable[Slot]) -> int:
        caps = (slot.worker.ready.device_cap_bytes for slot in slots if slot.worker and slot.worker.ready)
        return max(caps, default=0)
