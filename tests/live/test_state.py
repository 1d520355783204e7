"""What the daemon looks like after an event."""

from __future__ import annotations

from typing import Any

from omlx_cli.contract.api import DaemonInfo, RequestInfo, RequestPhase, SlotInfo, SlotState
from omlx_cli.contract.live import Change, Happening, HappeningKind, LiveMemory, Snapshot
from omlx_cli.top.state import LOG_LINES, aged, apply

DAEMON = DaemonInfo(version="1", pid=1, start_id="a", prefix="/p", home="/h", socket="/s", uptime_s=10.0)


def row(name: str, **more: Any) -> RequestInfo:
    return RequestInfo(id=name, model="m", phase=RequestPhase.DECODE, age_s=1.0, **more)


def snapshot(*rows: RequestInfo) -> Snapshot:
    return Snapshot(number=7, at="2026-01-01T00:00:00.000Z", daemon=DAEMON, requests=rows, running=1)


def line(number: int) -> Happening:
    return Happening(number=number, at="", kind=HappeningKind.LOADED, message="m")


def test_a_change_replaces_what_it_names_and_leaves_the_rest() -> None:
    slot = SlotInfo(name="m", state=SlotState.IDLE)
    before = snapshot(row("a"), row("b"))
    change = Change(number=8, at="2026-01-01T00:00:00.500Z", models=(slot,), queued=3, memory=LiveMemory(used_bytes=1))
    after = apply(before, change)
    assert (after.number, after.at, after.models, after.queued, after.running) == (8, change.at, (slot,), 3, 1)
    assert after.memory.used_bytes == 1
    assert [one.id for one in after.requests] == ["a", "b"]


def test_rows_come_go_and_change_by_their_ids() -> None:
    change = Change(number=8, at="2026-01-01T00:00:00.000Z", requests=(row("b", tokens=5), row("c")), ended=("a", "x"))
    after = apply(snapshot(row("a"), row("b")), change)
    assert [(one.id, one.tokens) for one in after.requests] == [("b", 5), ("c", 0)]


def test_an_id_that_ends_and_comes_again_is_last() -> None:
    change = Change(number=8, at="2026-01-01T00:00:00.000Z", requests=(row("a", tokens=1),), ended=("a",))
    after = apply(snapshot(row("a"), row("b")), change)
    assert [(one.id, one.tokens) for one in after.requests] == [("b", 0), ("a", 1)]


def test_time_passes_for_what_a_change_does_not_name() -> None:
    change = Change(number=8, at="2026-01-01T00:00:02.500Z", requests=(row("b"),))
    after = apply(snapshot(row("a", left_s=2.0), row("b")), change)
    assert after.daemon.uptime_s == 12.5
    assert [(one.age_s, one.left_s) for one in after.requests] == [(3.5, 0.0), (1.0, None)]


def test_a_moment_later_all_is_older_and_nothing_else() -> None:
    later = aged(snapshot(row("a", left_s=9.0)), 1.5)
    assert (later.daemon.uptime_s, later.requests[0].age_s, later.requests[0].left_s) == (11.5, 2.5, 7.5)
    assert aged(later, 0.0) is later


def test_the_log_keeps_the_last_lines() -> None:
    now = snapshot()
    for number in range(LOG_LINES + 20):
        now = apply(now, line(number))
    assert [one.number for one in now.happenings] == list(range(20, LOG_LINES + 20))


def test_a_snapshot_replaces_everything() -> None:
    fresh = snapshot(row("z"))
    assert apply(snapshot(row("a")), fresh) is fresh
