"""A load on the scales: what it takes, what there is, who is in memory, and what follows from that."""

from __future__ import annotations

import math
from dataclasses import dataclass

from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.accounts import Room
from omlx_daemon.pool.memory.costs import Cost
from omlx_daemon.pool.policy import Resident, Stays


@dataclass(frozen=True, slots=True)
class Grant:
    """What a load was promised."""

    cost: Cost
    weights_limit_bytes: int
    """What the model itself may take: a worker widens its weights where that fits."""
    spare_bytes: int
    """What is left beside the cost when the load begins."""
    victims: tuple[str, ...] = ()
    """Who has to be unloaded before."""

    @property
    def kv_limit_bytes(self) -> int:
        """What the KV of requests may take at first."""
        return max(1, self.cost.kv_bytes + self.spare_bytes)


@dataclass(frozen=True, slots=True)
class Weighing:
    """A load on the scales: `grant`, or None where it does not fit now."""

    spec: ModelSpec
    room: Room
    cost: Cost
    """The least that it takes."""
    residents: tuple[Resident, ...]
    grant: Grant | None
    possible: bool
    """Whether it would fit if nothing but pinned models were in memory."""

    @property
    def missing_bytes(self) -> int:
        """What lacks, with everyone staying."""
        return max(0, self.room.missing_bytes(self.cost))

    @property
    def reachable(self) -> bool:
        """Whether it fits once pools, hot tiers and idle models have been given back."""
        back = [one.back(self.room.shares_memory) for one in self.residents]
        return self.room.without(back).missing_bytes(self.cost) <= 0

    @property
    def wait_s(self) -> float:
        """Seconds until the next model may be unloaded; infinite where that depends on requests."""
        return min((one.left_s for one in self.residents if one.stays is Stays.NEW), default=math.inf)
