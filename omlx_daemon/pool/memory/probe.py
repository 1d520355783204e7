"""What the pool asks of the system it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.memory.costs import Estimate


class Pressure(IntEnum):
    """What the operating system itself says of its memory."""

    NONE = 0
    WARN = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Reading:
    """The system's memory at one moment. Everything that can be had again without swapping is available."""

    total_bytes: int
    available_bytes: int
    bounded_by: str = ""
    """The control group whose limit leaves less than the machine does, or empty."""
    process_cap_bytes: int = 0
    """What one process may take, as `ulimit -d` sets it; 0 is without a bound."""
    pressure: Pressure = Pressure.NONE
    stalled_some: float = 0.0
    """Share of the time since the last reading in which something waited for memory."""
    stalled_full: float = 0.0
    """Share of that time in which nothing else was done meanwhile."""
    device_cap_bytes: int = 0
    """What the device's arrays may take in all; 0 where it sets no bound, or none is known."""
    device_free_bytes: int | None = None
    """What is left of a memory of the device's own; None where it shares the system's, or cannot be asked."""


class MemoryProbe(Protocol):
    """The system's memory, and what a model would take of it. No call waits for anything."""

    @property
    def has_device_memory(self) -> bool:
        """Whether the models' arrays lie in a memory of the device's own."""
        ...

    def read(self) -> Reading:
        """Return what there is now."""
        ...

    def resident_bytes(self, pid: int) -> int:
        """Return what a process holds of the system's memory; 0 where it is gone."""
        ...

    def estimate(self, spec: ModelSpec) -> Estimate:
        """Return what loading `spec` would take."""
        ...
