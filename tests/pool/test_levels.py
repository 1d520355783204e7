"""Green, yellow, red: what raises a level, and when it falls."""

from __future__ import annotations

from typing import Any

import pytest

from omlx_cli.contract.api import MemoryLevel
from omlx_daemon.pool.memory.levels import Gauge, Judgement, Signals, judge
from omlx_daemon.pool.memory.probe import Pressure, Reading

GREEN, YELLOW, RED = MemoryLevel


def signals(used: int = 0, available: int = 1000, cap: int = 0, device: int = 0, **reading: Any) -> Signals:
    """Return a sample with a limit of 1000 bytes and a reserve of 200."""
    found = Reading(2000, available, **reading)
    return Signals(used, 1000, 200, found, device_used_bytes=device, device_cap_bytes=cap)


@pytest.mark.parametrize(
    ("sample", "level", "reason"),
    [
        (signals(), GREEN, ""),
        (signals(used=799), GREEN, ""),
        (signals(used=800), YELLOW, "models take 80% of memory.limit"),
        (signals(used=950), RED, "models take 95% of memory.limit"),
        (signals(cap=100, device=80), YELLOW, "models take 80% of the device's memory"),
        (signals(cap=100, device=96), RED, "models take 96% of the device's memory"),
        (signals(available=99), YELLOW, "the system has 99 B left"),
        (signals(available=49), RED, "the system has 49 B left"),
        (signals(available=49, bounded_by="/x"), RED, "the control group /x has 49 B left"),
        (signals(pressure=Pressure.WARN), YELLOW, "the system's memory pressure is warn"),
        (signals(pressure=Pressure.CRITICAL), RED, "the system's memory pressure is critical"),
        (signals(available=199, stalled_some=0.1), YELLOW, "work waits for memory 10% of the time"),
        (signals(available=199, stalled_full=0.3), RED, "work waits for memory 30% of the time"),
        (signals(available=200, stalled_some=1.0, stalled_full=1.0), GREEN, ""),
    ],
)
def test_what_makes_a_level(sample: Signals, level: MemoryLevel, reason: str) -> None:
    found = judge(sample)
    assert found.level is level
    assert found.reasons == ((reason,) if reason else ())


def test_the_reasons_of_ours_are_apart_from_the_systems() -> None:
    found = judge(signals(used=990, available=10))
    assert found == Judgement(RED, ("models take 99% of memory.limit",), ("the system has 10 B left",))


def test_a_level_rises_at_once_and_falls_after_two_calm_samples() -> None:
    gauge = Gauge()
    assert gauge.update(signals(used=960)).level is RED
    assert gauge.update(signals(used=100)).level is RED
    assert gauge.update(signals(used=100)).level is GREEN
    assert gauge.update(signals(used=960)).level is RED
    assert gauge.update(signals(used=850)).level is RED
    assert gauge.update(signals(used=850)).level is YELLOW


def test_a_level_does_not_flutter_at_its_line() -> None:
    gauge = Gauge()
    levels = [gauge.update(signals(used=used)).level for used in (949, 951, 949, 930, 949, 930, 925, 930)]
    assert levels == [YELLOW, *[RED] * 7]
    assert [gauge.update(signals(used=919)).level for _ in range(2)] == [RED, YELLOW]
    assert [gauge.update(signals(used=780)).level for _ in range(4)] == [YELLOW] * 4
    assert [gauge.update(signals(used=769)).level for _ in range(2)] == [YELLOW, GREEN]


def test_a_level_held_up_by_its_line_alone_says_why() -> None:
    gauge = Gauge()
    gauge.update(signals(used=990))
    assert gauge.update(signals(used=930)).reasons == ("models take 93% of memory.limit",)
