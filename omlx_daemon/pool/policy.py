"""Which loaded models make room for another one. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory, as far as eviction cares."""

    name: str
    size_bytes: int
    last_used_s: float
    evictable: bool
    """Idle and unpinned."""


def victims(residents: Iterable[Resident], missing_bytes: int) -> list[str] | None:
    """Return the models to unload, least recently used first, so that `missing_bytes` become free.

    An empty list where nothing is missing; None, and so no eviction at all, where it cannot be done.
    """
    chosen: list[str] = []
    for resident in sorted((r for r in residents if r.evictable), key=lambda r: r.last_used_s):
        if missing_bytes <= 0:
            break
        chosen.append(resident.name)
        missing_bytes -= resident.size_bytes
    return chosen if missing_bytes <= 0 else None
