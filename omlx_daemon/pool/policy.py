"""Which loaded models make room for another one. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from omlx_daemon.pool.accounts import Held


class Stays(StrEnum):
    """Why a model keeps its place."""

    NO = ""
    BUSY = "busy"
    LOADING = "loading"
    LEAVING = "unloading"
    PINNED = "pinned"
    NEW = "just loaded"
    """Its minimum residency is not over."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory, as far as eviction cares."""

    name: str
    held: Held
    last_used_s: float
    stays: Stays = Stays.NO
    left_s: float = 0.0
    """Until the end of its minimum residency."""

    def back(self, shares_memory: bool) -> Held:
        """Return what can be had of it: everything, or its pool and hot tier where the model stays."""
        return self.held if self.stays in (Stays.NO, Stays.LEAVING) else self.held.again(shares_memory)

    def kept(self, shares_memory: bool) -> Held:
        """Return what it keeps without its pool and its hot tier."""
        again = self.held.again(shares_memory)
        return Held(self.held.host_bytes - again.host_bytes, self.held.device_bytes - again.device_bytes)


def victims(
    residents: Iterable[Resident], is_enough: Callable[[Sequence[Resident]], bool]
) -> tuple[Resident, ...] | None:
    """Return the models to unload, least recently used first, so that there is enough room.

    None are needed where there is enough already; None is returned, and so nothing unloaded, where it cannot be done.
    """
    chosen: list[Resident] = []
    going = sorted((resident for resident in residents if not resident.stays), key=lambda one: one.last_used_s)
    while not is_enough(chosen):
        if len(chosen) == len(going):
            return None
        chosen.append(going[len(chosen)])
    return tuple(chosen)
