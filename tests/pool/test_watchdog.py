"""Workers that have work and make no step: who is named, who is ended, who is left in peace."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest

from omlx_cli.contract.api import SlotState
from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Event, Failed, Prefill, Queued, Text
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.wire.messages import Report
from tests.pool.doubles import CANCELLED, FINISHED, FakeChild, Fixture, Reader, request, until
from tests.pool.scripted import finished, with_pool

SETTINGS = PoolSettings(memory_limit_bytes=1 << 30, stop_s=5.0, cancel_s=5.0, stuck_s=60.0, restart_s=300.0)


async def running(fixture: Fixture, *ids: str) -> FakeChild:
    await until(lambda: fixture.spawner.children and set(ids) <= set(fixture.spawner.children[0].submitted()))
    return fixture.spawner.children[0]


def test_a_worker_without_a_step_is_stuck_and_names_the_oldest_request(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        first = Reader(fixture.pool, request("r1"))
        child = await running(fixture, "r1")
        fixture.clock.now_s += 40
        second = Reader(fixture.pool, request("r2"))
        await running(fixture, "r2")
        fixture.clock.now_s += 19
        assert fixture.pool.stuck() == ()
        fixture.clock.now_s += 1
        [stuck] = fixture.pool.stuck()
        assert (stuck.model, stuck.pid, stuck.request, stuck.requests) == ("a", child.pid, "r1", 2)
        assert (stuck.stuck_s, stuck.restart_in_s) == (60, 240)
        assert fixture.pool.rows()[0].state is SlotState.STUCK
        child.note(Report(steps=7, running=2))
        await until(lambda: not fixture.pool.stuck())
        assert fixture.pool.rows()[0].state is SlotState.BUSY
        await finished(fixture, first, child, "r1")
        await finished(fixture, second, child, "r2")
        fixture.clock.now_s += 1000
        assert fixture.pool.stuck() == ()

    with_pool(tmp_path, test, settings=SETTINGS)


def test_one_that_stays_stuck_is_ended_with_one_retryable_error_each(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        readers = [Reader(fixture.pool, request(f"r{i}")) for i in range(3)]
        child = await running(fixture, "r0", "r1", "r2")
        fixture.clock.now_s += 299
        fixture.pool.look_after()
        assert child.alive
        fixture.clock.now_s += 1
        fixture.pool.look_after()
        for reader in readers:
            await reader.task
            assert reader.failure.code is Code.WORKER_STUCK
            assert "made no step for 300 s" in reader.failure.message
            assert reader.failure.retry_after_s
        assert child.killed
        row = fixture.pool.rows()[0]
        assert (row.state, row.crashes) == (SlotState.CRASHED, 1)
        assert "no step" in row.error
        again = Reader(fixture.pool, request("again"))
        await until(lambda: len(fixture.spawner.children) == 2)
        await finished(fixture, again, fixture.spawner.children[1], "again")

    with_pool(tmp_path, test, settings=SETTINGS)


@pytest.mark.parametrize(
    ("event", "is_step"),
    [
        (Queued(position=1), False),
        (Failed(error=CANCELLED.error), False),
        (Prefill(done_tokens=1, total_tokens=2), True),
        (Text(text="x"), True),
    ],
)
def test_only_what_the_engine_says_is_a_step(tmp_path: Path, event: Event, is_step: bool) -> None:
    """Tokenising and refusing go on in other threads while the engine's is stuck."""

    async def test(fixture: Fixture) -> None:
        stuck, other = Reader(fixture.pool, request("r1")), Reader(fixture.pool, request("r2"))
        child = await running(fixture, "r1", "r2")
        fixture.clock.now_s += 60
        child.say("r2", event)
        await until(lambda: event in other.events)
        assert bool(fixture.pool.stuck()) is not is_step
        child.say("r1", FINISHED)
        child.say("r2", FINISHED)
        await asyncio.gather(stuck.task, other.task)

    with_pool(tmp_path, test, settings=SETTINGS)


def test_a_stuck_worker_stays_stuck_when_its_clients_have_left(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "obeys_cancel", False)
        reader = Reader(fixture.pool, request("r1"))
        child = await running(fixture, "r1")
        await reader.leave()
        await until(lambda: fixture.pool.rows()[0].running + fixture.pool.rows()[0].queued == 0)
        fixture.clock.now_s += 60
        assert fixture.pool.stuck()[0].request == "r1"
        child.note(Report(steps=1))
        await until(lambda: not fixture.pool.stuck())

    with_pool(tmp_path, test, settings=replace(SETTINGS, cancel_s=0.01))


def test_a_load_is_never_stuck_and_never_takes_the_ready_state(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        fixture.clock.now_s += 10_000
        fixture.pool.look_after()
        assert fixture.pool.stuck() == ()
        fixture.spawner.children[0].become_ready()
        await finished(fixture, reader, fixture.spawner.children[0], "r1")

    with_pool(tmp_path, test, settings=SETTINGS)


def test_an_idle_worker_is_not_stuck_and_its_first_request_has_all_the_time(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await fixture.pool.load("a", math.inf)
        fixture.clock.now_s += 10_000
        assert fixture.pool.stuck() == ()
        reader = Reader(fixture.pool, request("r1"))
        child = await running(fixture, "r1")
        fixture.clock.now_s += 59
        assert fixture.pool.stuck() == ()
        await finished(fixture, reader, child, "r1")

    with_pool(tmp_path, test, settings=SETTINGS)


def test_time_in_which_the_daemon_slept_blames_nobody(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        child = await running(fixture, "r1")
        watch = asyncio.create_task(fixture.pool.run())
        await asyncio.sleep(0.01)
        fixture.clock.now_s += 10_000
        await until(lambda: not fixture.pool.stuck())
        assert child.alive
        await finished(fixture, reader, child, "r1")
        watch.cancel()

    with_pool(tmp_path, test, settings=replace(SETTINGS, stuck_s=1.0, restart_s=math.inf))


def test_the_watch_ends_it_by_itself(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        watch = asyncio.create_task(fixture.pool.run())
        reader = Reader(fixture.pool, request("r1"))
        await running(fixture, "r1")
        while not reader.task.done():
            fixture.clock.now_s += 0.02
            await asyncio.sleep(0.005)
        assert reader.failure.code is Code.WORKER_STUCK
        watch.cancel()

    with_pool(tmp_path, test, settings=replace(SETTINGS, stuck_s=0.2, restart_s=0.4))
