"""What happened of late, in lines: at once, like ones together, none of a kind lost."""

from __future__ import annotations

import tracemalloc

import pytest

from omlx_cli.contract.live import Happening, HappeningKind
from omlx_daemon.live.journal import HOLD_S, KEPT_LINES, Log
from omlx_daemon.live.reader import MAX_LINES, Reader, condensed


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def log_of(clock: Clock) -> tuple[Log, list[Happening]]:
    told: list[Happening] = []
    log = Log(clock, clock)
    log.told = told.append
    return log, told


def test_the_first_of_a_kind_is_told_at_once(clock: Clock) -> None:
    log, told = log_of(clock)
    log.note(HappeningKind.LOADED, "a was loaded", model="a", size_bytes=5)
    [one] = told
    assert (one.number, one.kind, one.model, one.size_bytes, one.count) == (1, HappeningKind.LOADED, "a", 5, 1)
    assert one.at == "2023-11-14T22:13:20.000Z"
    assert log.lines() == (one,)


def test_like_ones_within_a_moment_become_one_line_with_sums(clock: Clock) -> None:
    log, told = log_of(clock)
    for _ in range(5):
        log.note(HappeningKind.EVICTED, "left", model="a", count=3, size_bytes=100)
        clock.now_s += 0.1
    assert [one.count for one in told] == [3]
    clock.now_s += HOLD_S
    log.flush()
    assert [(one.number, one.count, one.size_bytes, one.message) for one in told[1:]] == [(2, 12, 400, "left")]


def test_another_model_or_kind_is_another_line(clock: Clock) -> None:
    log, told = log_of(clock)
    log.note(HappeningKind.EVICTED, "left", model="a")
    log.note(HappeningKind.EVICTED, "left", model="b")
    log.note(HappeningKind.SPILLED, "left", model="a")
    assert [(one.kind, one.model) for one in told] == [
        (HappeningKind.EVICTED, "a"), (HappeningKind.EVICTED, "b"), (HappeningKind.SPILLED, "a"),
    ]  # fmt: skip


def test_what_differs_is_said_of_none(clock: Clock) -> None:
    log, told = log_of(clock)
    for name in ("r1", "r2", "r3"):
        log.note(HappeningKind.FINISHED, f"{name} {{}}", model="a", request=name)
    clock.now_s += HOLD_S
    log.flush()
    assert [(one.message, one.request, one.count) for one in told] == [
        ("r1 {}", "r1", 1), ("requests of a finished", "", 2),
    ]  # fmt: skip


def test_one_after_a_pause_is_told_at_once_again(clock: Clock) -> None:
    log, told = log_of(clock)
    for _ in range(3):
        log.note(HappeningKind.MEMORY, "memory is yellow")
        clock.now_s += HOLD_S
    assert [one.count for one in told] == [1, 1, 1]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("many", [1, 50])
def test_an_hour_of_events_loses_no_class_lags_under_a_second_and_leaves_memory_flat(clock: Clock, many: int) -> None:
    """Fifty a second over an hour, for one reader that reads and one that never does."""
    log = Log(clock, clock)
    kinds = [kind for kind in HappeningKind if kind is not HappeningKind.MISSED]
    reader, sleeper = Reader(0.0, clock), Reader(0.0, clock)
    noted: dict[HappeningKind, int] = dict.fromkeys(kinds, 0)
    seen: dict[HappeningKind, int] = dict.fromkeys(kinds, 0)
    latest_s: dict[HappeningKind, float] = {}
    worst_s, taken_bytes = 0.0, []

    def hear(happening: Happening) -> None:
        nonlocal worst_s
        seen[happening.kind] += happening.count
        worst_s = max(worst_s, clock() - latest_s.pop(happening.kind, clock()))
        reader.happening(happening)
        sleeper.happening(happening)

    log.told = hear
    tracemalloc.start()
    for second in range(3600):
        for tick in range(4):
            for step in range(many * (tick + 1) // 4 - many * tick // 4):
                kind = kinds[(second * 7 + step) % len(kinds)]
                noted[kind] += 1
                latest_s.setdefault(kind, clock())
                log.note(kind, f"{second} {step}", model=f"m{step % 3}", size_bytes=1)
            clock.now_s += 0.25
            log.flush()
        reader.take()
        if second in (600, 3599):
            taken_bytes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    clock.now_s += HOLD_S
    log.flush()
    assert seen == noted
    assert worst_s < 1.0
    assert len(log.lines()) == KEPT_LINES
    assert taken_bytes[1] < taken_bytes[0] + (64 << 10)
    assert len(sleeper._happenings) <= MAX_LINES
    assert {one.kind for one in sleeper._happenings} == set(HappeningKind)


def test_a_reader_that_is_too_slow_gets_a_line_for_each_kind_and_how_many_are_missing() -> None:
    lines = [
        Happening(number=number, at="t", kind=kind, message="m", count=2, size_bytes=10)
        for number, kind in enumerate([HappeningKind.LOADED, *[HappeningKind.EVICTED, HappeningKind.FAILED] * 3])
    ]
    found = condensed(lines)
    assert [one.number for one in found] == sorted({one.number for one in found})
    by_kind = {one.kind: one for one in found}
    assert by_kind[HappeningKind.EVICTED].count == 6
    assert by_kind[HappeningKind.EVICTED].size_bytes == 30
    assert by_kind[HappeningKind.LOADED].count == 2
    assert by_kind[HappeningKind.MISSED].count == 4
    again = {one.kind: one for one in condensed([*found, *(msg for msg in renumbered(lines, 7))])}
    assert again[HappeningKind.EVICTED].count == 12
    assert again[HappeningKind.MISSED].count == len(lines) * 2 - 3


def renumbered(lines: list[Happening], first: int) -> list[Happening]:
    return [Happening(number=first + one.number, at="t", kind=one.kind, message="m", count=one.count) for one in lines]
