"""What all readers share: one look, however many they are; none, where there are none; bounds for the slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine

import msgspec

from omlx_cli.contract.api import DaemonInfo, RequestInfo, RequestPhase, Status
from omlx_cli.contract.live import Change, Happening, HappeningKind, LiveCache, LiveTier, Snapshot
from omlx_cli.top.state import apply
from omlx_daemon.live.hub import SILENCE_S, TICK_S, Hub
from omlx_daemon.live.journal import Log
from omlx_daemon.live.rates import Rates
from tests.live.conftest import EVENTS, timeless
from tests.live.test_journal import Clock

DAEMON = DaemonInfo(version="1", pid=1, start_id="a", prefix="/p", home="/h", socket="/s")


class Watched:
    """A daemon that is what the test says; its hub ticks by hand."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.log = Log(self.clock, self.clock)
        self.rows: tuple[RequestInfo, ...] = ()
        self.queued = 0
        self.looks = 0
        self.hub = Hub(self.log, self.status, lambda: self.rows, LiveCache, clock=self.clock, wall=self.clock)

    def status(self) -> Status:
        self.looks += 1
        return Status(daemon=DAEMON, queued=self.queued)

    def tick(self) -> None:
        self.clock.now_s += TICK_S
        self.hub.tick()


class Reading:
    """One reader of a hub."""

    def __init__(self, hub: Hub, interval_s: float = 0.0) -> None:
        self.lines: AsyncGenerator[bytes, None] = hub.follow(interval_s)
        self.now: Snapshot | None = None
        self.changes: list[Change] = []
        self.happenings: list[Happening] = []
        self.size_bytes = 0

    async def next(self) -> None:
        """Take what comes next."""
        found = await anext(self.lines)
        self.size_bytes += len(found)
        for line in found.splitlines():
            event = EVENTS.decode(line)
            if isinstance(event, Change):
                self.changes.append(event)
            elif isinstance(event, Happening):
                self.happenings.append(event)
            self.now = event if isinstance(event, Snapshot) else apply(self._known, event)

    @property
    def _known(self) -> Snapshot:
        assert self.now is not None
        return self.now


def run(test: Callable[[Watched], Coroutine[None, None, None]]) -> None:
    async def inside() -> None:
        await test(Watched())

    asyncio.run(inside())


def row(name: str, tokens: int = 0) -> RequestInfo:
    return RequestInfo(id=name, model="m", phase=RequestPhase.DECODE, tokens=tokens)


def test_nothing_is_looked_at_while_nobody_reads() -> None:
    async def test(daemon: Watched) -> None:
        daemon.tick()
        assert daemon.looks == 0
        reading = Reading(daemon.hub)
        await reading.next()
        assert daemon.looks == 1
        await reading.lines.aclose()
        daemon.tick()
        assert daemon.looks == 1

    run(test)


def test_all_readers_share_one_look_and_one_encoding() -> None:
    async def test(daemon: Watched) -> None:
        readings = [Reading(daemon.hub) for _ in range(8)]
        for reading in readings:
            await reading.next()
        assert daemon.looks == 1
        daemon.queued = 3
        daemon.tick()
        assert daemon.looks == 2
        lines = [await anext(reading.lines) for reading in readings]
        assert all(line is lines[0] or line == lines[0] for line in lines)
        for reading in readings:
            await reading.lines.aclose()

    run(test)


def test_whoever_does_not_read_gets_all_in_one_and_keeps_nothing_of_what_passed() -> None:
    async def test(daemon: Watched) -> None:
        daemon.rows = (row("old"), row("other"))
        slow, fast = Reading(daemon.hub), Reading(daemon.hub)
        for reading in (slow, fast):
            await reading.next()
        for number in range(2000):
            daemon.rows = (row("other", number), row(f"r{number}"))
            daemon.log.note(list(HappeningKind)[number % 15], "m", model=f"m{number}")
            daemon.tick()
            await fast.next()
        before = slow.size_bytes
        await slow.next()
        assert slow.size_bytes - before < 100_000
        [change] = slow.changes
        assert change.ended == ("old",)
        assert slow.now is not None
        assert fast.now is not None
        assert {one.kind for one in slow.happenings} == set(HappeningKind)
        told = sum(one.count for one in slow.happenings if one.kind is not HappeningKind.MISSED)
        assert told == 2000
        unlogged = [msgspec.structs.replace(timeless(now), happenings=()) for now in (slow.now, fast.now)]
        assert unlogged[0] == unlogged[1]
        for reading in (slow, fast):
            await reading.lines.aclose()

    run(test)


def test_a_reader_that_wants_fewer_changes_gets_them_joined_and_happenings_at_once() -> None:
    async def test(daemon: Watched) -> None:
        reading = Reading(daemon.hub, interval_s=1.0)
        await reading.next()
        for queued in (1, 2, 3, 4):
            daemon.queued = queued
            daemon.tick()
            daemon.log.note(HappeningKind.LOADED, "m", model=f"m{queued}")
            await reading.next()
        assert [change.queued for change in reading.changes] == [4]
        await reading.lines.aclose()

    run(test)


def test_a_quiet_stream_gives_a_sign_of_life() -> None:
    async def test(daemon: Watched) -> None:
        reading = Reading(daemon.hub)
        await reading.next()
        for _ in range(int(SILENCE_S / TICK_S)):
            daemon.tick()
        await reading.next()
        [change] = reading.changes
        assert change == Change(number=1, at=change.at)
        await reading.lines.aclose()

    run(test)


def test_an_end_tells_what_is_new_first() -> None:
    async def test(daemon: Watched) -> None:
        reading = Reading(daemon.hub, interval_s=60.0)
        await reading.next()
        daemon.queued = 9
        daemon.hub.close()
        await reading.next()
        assert [change.queued for change in reading.changes] == [9]
        assert [line async for line in reading.lines] == []
        late = [line async for line in daemon.hub.follow(0.0)]
        assert len(late) == 1

    run(test)


def test_rates_are_of_the_last_seconds() -> None:
    clock = Clock()
    rates = Rates(clock)
    assert rates.of("x", 100) == 0.0
    for count in (200, 300, 400, 500, 600):
        clock.now_s += 1.0
        found = rates.of("x", count)
    assert found == 100.0
    clock.now_s += 2.0
    assert rates.of("x", 600) == 33.3
    clock.now_s += 2.0
    assert rates.of("x", 600) == 0.0
    assert rates.of("x", 5) == 0.0
    tier = LiveTier(tier="cold", read_bytes=10)
    assert rates.filled(LiveCache(tiers=(tier,))).tiers == (tier,)
