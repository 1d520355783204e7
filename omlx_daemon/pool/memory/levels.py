"""Green, yellow, red: how short memory is, by the limit and by what the system itself says."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_cli.contract.api import MemoryLevel
from omlx_cli.contract.units import format_bytes
from omlx_daemon.pool.memory.probe import Pressure, Reading

YELLOW_SHARE, RED_SHARE = 0.80, 0.95
_EASE = 0.03
"""How far under its share a figure must fall before the level does."""
_CALM_SAMPLES = 2
_STALLED_SOME, _STALLED_FULL = 0.10, 0.25
_ORDER = (MemoryLevel.GREEN, MemoryLevel.YELLOW, MemoryLevel.RED)


@dataclass(frozen=True, slots=True)
class Signals:
    """What a level is judged by."""

    used_bytes: int
    limit_bytes: int
    reserve_bytes: int
    reading: Reading
    device_used_bytes: int = 0
    device_cap_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """A level and what makes it so. `external` are the reasons that no unload of ours need end."""

    level: MemoryLevel = MemoryLevel.GREEN
    own: tuple[str, ...] = ()
    external: tuple[str, ...] = ()

    @property
    def reasons(self) -> tuple[str, ...]:
        """Everything that makes it so."""
        return (*self.own, *self.external)


class Gauge:
    """Rises at once, falls when two samples in a row are well under the line."""

    def __init__(self) -> None:
        self.now = Judgement()
        self._calm = 0

    def update(self, signals: Signals) -> Judgement:
        """Take a sample; return where things stand."""
        found, eased = judge(signals), judge(signals, _EASE)
        if _rank(found) >= _rank(self.now):
            self.now, self._calm = found, 0
        elif _rank(eased) >= _rank(self.now):
            self.now, self._calm = eased, 0
        else:
            self._calm += 1
            if self._calm >= _CALM_SAMPLES:
                self.now, self._calm = eased, 0
        return self.now


def judge(signals: Signals, ease: float = 0.0) -> Judgement:
    """Return the level of one sample; `ease` lowers every line by so much."""
    for level, share, rest, pressure in (
        (MemoryLevel.RED, RED_SHARE, signals.reserve_bytes // 4, Pressure.CRITICAL),
        (MemoryLevel.YELLOW, YELLOW_SHARE, signals.reserve_bytes // 2, Pressure.WARN),
    ):
        own = _own(signals, share - ease)
        external = _external(signals, rest * (1 + ease), pressure, level)
        if own or external:
            return Judgement(level, own, external)
    return Judgement()


def _own(signals: Signals, share: float) -> tuple[str, ...]:
    found = []
    if signals.limit_bytes and signals.used_bytes >= share * signals.limit_bytes:
        found.append(f"models take {signals.used_bytes / signals.limit_bytes:.0%} of memory.limit")
    if signals.device_cap_bytes and signals.device_used_bytes >= share * signals.device_cap_bytes:
        found.append(f"models take {signals.device_used_bytes / signals.device_cap_bytes:.0%} of the device's memory")
    return tuple(found)


def _external(signals: Signals, rest_bytes: float, pressure: Pressure, level: MemoryLevel) -> tuple[str, ...]:
    reading, found = signals.reading, []
    if reading.available_bytes < rest_bytes:
        place = f"the control group {reading.bounded_by}" if reading.bounded_by else "the system"
        found.append(f"{place} has {format_bytes(reading.available_bytes)} left")
    if reading.pressure >= pressure:
        found.append(f"the system's memory pressure is {reading.pressure.name.lower()}")
    # A wait for memory means shortage only where little is left: a file being read again waits as well.
    if reading.available_bytes < signals.reserve_bytes:
        stalled = reading.stalled_full if level is MemoryLevel.RED else reading.stalled_some
        if stalled >= (_STALLED_FULL if level is MemoryLevel.RED else _STALLED_SOME):
            found.append(f"work waits for memory {stalled:.0%} of the time")
    return tuple(found)


def _rank(judgement: Judgement) -> int:
    return _ORDER.index(judgement.level)
