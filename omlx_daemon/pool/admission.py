"""Weighs a load against the room there is: grants it, names who has to go first, or says why not."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial

from omlx_cli.contract.api import LoadEstimate
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool import refusal
from omlx_daemon.pool.accounts import Accounts, Room
from omlx_daemon.pool.memory.costs import Cost, Estimate
from omlx_daemon.pool.memory.probe import MemoryProbe
from omlx_daemon.pool.policy import Resident, Stays, victims
from omlx_daemon.pool.slot import Phase, Slot
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.weighing import Grant, Weighing

_WORTH_LEARNING = 0.02


class Admission:
    """Event loop only. `clock` is the pool's, in seconds."""

    def __init__(
        self,
        memory: MemoryProbe,
        accounts: Accounts,
        state: StateStore,
        min_residency_s: float,
        is_pinned: Callable[[str], bool],
    ) -> None:
        self._memory = memory
        self._accounts = accounts
        self._state = state
        self.min_residency_s = min_residency_s
        self._is_pinned = is_pinned

    def weigh(self, spec: ModelSpec, slots: Collection[Slot]) -> Weighing:
        """Return how `spec` would fit beside `slots`, each of them as it is now."""
        room, estimate = self._accounts.room(slots), self._estimate(spec)
        residents = tuple(self._resident(slot) for slot in slots if slot.worker is not None or slot.is_live)
        pinned = [one.kept(room.shares_memory) for one in residents if one.stays is Stays.PINNED]
        return Weighing(
            spec=spec,
            room=room,
            cost=estimate.least,
            residents=residents,
            grant=_grant(room, estimate, residents),
            possible=room.could_ever_fit(estimate.least, pinned),
        )

    def next_victim(self, slots: Collection[Slot]) -> Slot | None:
        """Return the model that may be unloaded first, None where all have to stay."""
        going = [slot for slot in slots if slot.is_idle and not self._resident(slot).stays]
        return min(going, key=lambda slot: slot.last_used_s, default=None)

    def estimate(self, spec: ModelSpec, slots: Collection[Slot]) -> LoadEstimate:
        """Return what a load would take, and whether it would fit; nothing is loaded."""
        return refusal.estimate(self.weigh(spec, slots))

    def learn(self, slot: Slot, grant: Grant) -> None:
        """Remember what a finished load took at its peak; the next one of the same model is weighed with that."""
        worker, held = slot.worker, self._accounts.held(slot)
        if worker is None or worker.ready is None:
            return
        if self._memory.has_device_memory:
            taken_bytes = max(worker.report.peak_bytes, held.device_bytes)
        else:
            taken_bytes = max(worker.ready.load_peak_bytes, worker.report.peak_bytes, held.host_bytes)
        raw = self._memory.estimate(slot.spec)
        cost = raw.best if grant.cost.terms[0] == raw.best.terms[0] else raw.least
        if taken_bytes and cost.estimated_bytes:
            self._state.learn(_key(slot.spec, cost), taken_bytes / cost.estimated_bytes)

    def _estimate(self, spec: ModelSpec) -> Estimate:
        raw = self._memory.estimate(spec)
        return Estimate(least=self._corrected(spec, raw.least), best=self._corrected(spec, raw.best))

    def _corrected(self, spec: ModelSpec, cost: Cost) -> Cost:
        ratio = self._state.ratio(_key(spec, cost))
        return cost if ratio is None or abs(ratio - 1) < _WORTH_LEARNING else cost.corrected(ratio)

    def _resident(self, slot: Slot) -> Resident:
        left_s = max(0.0, self.min_residency_s - slot.worker.life_s()) if slot.worker else 0.0
        return Resident(slot.name, self._accounts.held(slot), slot.last_used_s, self._stays(slot, left_s), left_s)

    def _stays(self, slot: Slot, left_s: float) -> Stays:
        if self._is_pinned(slot.name):
            return Stays.PINNED
        if slot.phase is not Phase.READY:
            return Stays.LOADING if slot.phase is Phase.LOADING else Stays.LEAVING
        if slot.leases:
            return Stays.BUSY
        return Stays.NEW if left_s else Stays.NO


def _grant(room: Room, estimate: Estimate, residents: Collection[Resident]) -> Grant | None:
    """Return the best that fits, at the price of as few models as it takes."""
    for cost in (estimate.best, estimate.least):
        going = victims(residents, partial(_is_enough, room, cost))
        if going is not None:
            left = room.without([one.held for one in going])
            taken_bytes = cost.host_bytes if room.shares_memory else cost.device_bytes
            spare_bytes = min(max(0, left.free_bytes - taken_bytes), left.beside_bytes(cost.host_bytes))
            # A worker that was granted its weights as stored is not to widen them.
            is_wide = estimate.best is not estimate.least and cost is estimate.best
            weights_bytes = max(cost.rest_bytes + spare_bytes, cost.estimated_bytes) if is_wide else cost.rest_bytes
            return Grant(cost, weights_bytes, spare_bytes, tuple(one.name for one in going))
    return None


def _is_enough(room: Room, cost: Cost, chosen: Sequence[Resident]) -> bool:
    return room.without([one.held for one in chosen]).missing_bytes(cost) <= 0


def _key(spec: ModelSpec, cost: Cost) -> str:
    """Return the name under which a ratio is kept: other weights, or another format of them, are another model."""
    weights = cost.terms[0]
    return f"{spec.name} {spec.weights_bytes} {weights.note}"
