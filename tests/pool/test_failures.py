"""Crashes, hangs, clients that leave, and the end of the daemon: the pool with scripted workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from omlx_cli.contract.api import SlotState
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core.events import Failed, Text
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.wire.messages import WorkerSettings
from tests.pool.doubles import FINISHED, Fixture, Reader, request, until
from tests.pool.scripted import finished, with_pool


def test_a_crash_fails_each_request_once_and_the_next_request_starts_a_worker(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        readers = [Reader(fixture.pool, request(f"r{i}")) for i in range(3)]
        await until(lambda: fixture.spawner.children and len(fixture.spawner.children[0].submitted()) == 3)
        fixture.spawner.children[0].say("r0", Text(text="half"))
        fixture.spawner.children[0].end(-9)
        for reader in readers:
            await reader.task
            [terminal] = reader.terminals
            assert isinstance(terminal, Failed)
            assert terminal.error.code is Code.WORKER_CRASHED
            assert "SIGKILL" in terminal.error.message
        row = fixture.pool.rows()[0]
        assert (row.state, row.crashes, row.pid) == (SlotState.CRASHED, 1, 0)
        assert "SIGKILL" in row.error
        again = Reader(fixture.pool, request("r4"))
        await until(lambda: len(fixture.spawner.children) == 2)
        await finished(fixture, again, fixture.spawner.children[1], "r4")
        assert fixture.pool.rows()[0].error == ""

    with_pool(tmp_path, test)


def test_a_crash_loop_is_slowed_down_and_a_command_overrides_it(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: child.end(3)
        errors = []
        for i in range(4):
            reader = Reader(fixture.pool, request(f"r{i}"))
            await reader.task
            errors.append(reader.failure)
        assert [error.retry_after_s for error in errors] == [0, 0, 1, 1]
        assert len(fixture.spawner.children) == 2
        assert "exit code 3" in errors[-1].message
        fixture.clock.now_s += 1
        await Reader(fixture.pool, request("r5")).task
        assert len(fixture.spawner.children) == 3
        fixture.spawner.prepare = lambda child: None
        assert (await fixture.pool.load("a", None)).state is SlotState.IDLE
        assert fixture.pool.rows()[0].crashes == 3

    with_pool(tmp_path, test)


def test_a_failed_load_shows_its_own_error(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        fixture.spawner.children[0].fail_load(ErrorBody(code=Code.UNSUPPORTED_MODEL, message="layer x is unknown"))
        await reader.task
        assert (reader.failure.code, reader.failure.message) == (Code.UNSUPPORTED_MODEL, "layer x is unknown")
        row = fixture.pool.rows()[0]
        assert (row.state, row.error, row.crashes) == (SlotState.CRASHED, "layer x is unknown", 0)
        await fixture.pool.unload("a", False)
        assert fixture.pool.rows() == ()

    with_pool(tmp_path, test)


def test_a_load_that_hangs_is_killed(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        with pytest.raises(OmlxError) as failure:
            await fixture.pool.load("a", None)
        assert failure.value.code is Code.LOAD_FAILED
        assert "did not load within 50ms" in str(failure.value)
        assert fixture.spawner.children[0].killed

    with_pool(tmp_path, test, settings=PoolSettings(memory_limit_bytes=1 << 30, load_timeout_s=0.05))


def test_a_client_that_leaves_cancels_and_the_model_stays_busy_until_the_worker_agrees(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "obeys_cancel", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        child = fixture.spawner.children[0]
        await reader.leave()
        assert child.commands[-1].__class__.__name__ == "Cancel"
        assert fixture.pool.rows()[0].state is SlotState.BUSY
        child.say("r1", FINISHED)
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)

    with_pool(tmp_path, test)


def test_a_worker_that_ignores_a_cancel_does_not_keep_the_model_busy(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "obeys_cancel", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        await reader.leave()
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)

    with_pool(tmp_path, test, settings=PoolSettings(memory_limit_bytes=1 << 30, cancel_s=0.02))


def test_the_queue_in_front_of_a_load_is_bounded(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        readers = [Reader(fixture.pool, request(f"r{i}")) for i in range(4)]
        await until(lambda: any(reader.task.done() for reader in readers))
        refused = [reader for reader in readers if reader.error is not None]
        assert [reader.error.code for reader in refused if reader.error] == [Code.QUEUE_FULL]
        await fixture.pool.unload("a", True)

    worker = WorkerSettings(max_running=1, max_queued=2)
    with_pool(tmp_path, test, settings=PoolSettings(memory_limit_bytes=1 << 30, worker=worker))


def test_draining_lets_requests_finish_and_refuses_new_ones(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        closing = asyncio.create_task(fixture.pool.close(20))
        late = Reader(fixture.pool, request("r2"))
        await late.task
        assert late.error is not None
        assert late.error.code is Code.SHUTTING_DOWN
        assert not closing.done()
        fixture.spawner.children[0].say("r1", FINISHED)
        await closing
        assert reader.terminals == [FINISHED]
        assert not fixture.spawner.children[0].killed

    with_pool(tmp_path, test)


def test_the_deadline_of_a_drain_ends_what_still_runs(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        await fixture.pool.close(0.01)
        await reader.task
        [terminal] = reader.terminals
        assert isinstance(terminal, Failed)
        assert terminal.error.code is Code.SHUTTING_DOWN

    with_pool(tmp_path, test)


def test_hurry_kills_what_does_not_stop(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "obeys_stop", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        closing = asyncio.create_task(fixture.pool.close(1000))
        await asyncio.sleep(0)
        fixture.pool.hurry()
        await closing
        await reader.task
        assert fixture.spawner.children[0].killed
        assert len(reader.terminals) == 1

    with_pool(tmp_path, test)
