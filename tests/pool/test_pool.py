"""Leases, single-flight loads, expiry, pins, eviction, back-off: the pool with scripted workers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from omlx_cli.contract.api import SlotState
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core.events import Failed, Finished, Queued, Text
from omlx_daemon.core.ports import Inference, Slots
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.wire.messages import Report, WorkerSettings
from tests.pool.doubles import FINISHED, FakeChild, Fixture, Reader, request, until


def with_pool(
    home: Path,
    test: Callable[[Fixture], Awaitable[None]],
    *,
    limit: int = 1 << 30,
    growth: float = 1.0,
    settings: PoolSettings | None = None,
) -> None:
    async def main() -> None:
        fixture = Fixture(home, limit=limit, growth=growth, settings=settings)
        try:
            async with asyncio.timeout(30):
                await test(fixture)
        finally:
            await fixture.pool.close(0)
        assert not fixture.spawner.alive

    asyncio.run(main())


async def finished(fixture: Fixture, reader: Reader, child: FakeChild, request_id: str) -> None:
    await until(lambda: request_id in child.submitted())
    child.say(request_id, Queued(), Text(text="yes"), FINISHED)
    await reader.task


def test_it_implements_the_ports(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        assert isinstance(fixture.pool, Inference)
        assert isinstance(fixture.pool, Slots)

    with_pool(tmp_path, test)


def test_a_request_loads_its_model_and_streams(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        child = fixture.spawner.children[0]
        child.say("r1", Queued(prompt_tokens=3))
        await until(lambda: reader.events)
        row = fixture.pool.rows()[0]
        assert (row.name, row.state, row.queued, row.running, row.pid) == ("a", SlotState.BUSY, 1, 0, child.pid)
        child.say("r1", Text(text="yes"))
        await until(lambda: fixture.pool.rows()[0].running)
        child.say("r1", FINISHED)
        await reader.task
        assert reader.events == [Queued(prompt_tokens=3), Text(text="yes"), FINISHED]
        row = fixture.pool.rows()[0]
        assert (row.state, row.running, row.queued, row.ttl_s) == (SlotState.IDLE, 0, 0, 600.0)
        assert row.expires_at == "2023-11-14T22:23:20Z"
        assert fixture.state.requests_total == 1

    with_pool(tmp_path, test)


def test_concurrent_requests_make_one_load(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        names = ["a", "A1", "a", "A1"]
        readers = [Reader(fixture.pool, request(f"r{i}", name)) for i, name in enumerate(names)]
        await until(lambda: fixture.pool.rows() and fixture.pool.rows()[0].queued == len(names))
        assert fixture.pool.rows()[0].state is SlotState.LOADING
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        fixture.spawner.children[0].become_ready()
        for i, reader in enumerate(readers):
            await finished(fixture, reader, fixture.spawner.children[0], f"r{i}")
        assert len(fixture.spawner.children) == 1
        assert all(isinstance(reader.events[-1], Finished) for reader in readers)

    with_pool(tmp_path, test)


def test_a_loaded_model_answers_while_another_loads(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        await fixture.pool.load("a", None)
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        slow = asyncio.create_task(fixture.pool.load("b", None))
        await until(lambda: len(fixture.pool.rows()) == 2)
        reader = Reader(fixture.pool, request("r1"))
        await finished(fixture, reader, fixture.spawner.children[0], "r1")
        assert not slow.done()
        await until(lambda: len(fixture.spawner.children) == 2 and fixture.spawner.children[1].start)
        fixture.spawner.children[1].become_ready()
        assert (await slow).state is SlotState.IDLE

    with_pool(tmp_path, test)


def test_a_load_goes_on_when_its_client_leaves(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        await reader.leave()
        fixture.spawner.children[0].become_ready()
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)
        assert not fixture.spawner.children[0].submitted()

    with_pool(tmp_path, test)


def test_errors_before_the_first_event_are_raised(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        for model, code in (("nope", Code.MODEL_NOT_FOUND), ("broken", Code.UNSUPPORTED_MODEL)):
            reader = Reader(fixture.pool, request("r", model))
            await reader.task
            assert reader.error is not None
            assert reader.error.code is code
            assert not reader.events
        assert fixture.pool.rows() == ()

    with_pool(tmp_path, test)


def test_the_idle_clock_starts_when_the_last_lease_ends(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        readers = [Reader(fixture.pool, request(f"r{i}")) for i in range(2)]
        await until(lambda: fixture.spawner.children and len(fixture.spawner.children[0].submitted()) == 2)
        child = fixture.spawner.children[0]
        child.say("r0", FINISHED)
        await readers[0].task
        fixture.clock.now_s += 10_000
        fixture.pool.expire()
        assert fixture.pool.rows()[0].state is SlotState.BUSY
        child.say("r1", FINISHED)
        await readers[1].task
        fixture.clock.now_s += 599
        assert fixture.pool.expire() == pytest.approx(1)
        assert fixture.pool.rows()[0].state is SlotState.IDLE
        fixture.clock.now_s += 1
        assert fixture.pool.expire() is None
        assert fixture.pool.rows()[0].state is SlotState.UNLOADING
        await until(lambda: not fixture.pool.rows())
        assert not child.alive
        assert not child.killed

    with_pool(tmp_path, test)


def test_ttl_of_a_load_overrides_and_never_is_never(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        assert (await fixture.pool.load("a", 5.0)).ttl_s == 5.0
        forever = await fixture.pool.load("b", float("inf"))
        assert (forever.ttl_s, forever.expires_at) == (None, None)
        fixture.clock.now_s += 1e9
        fixture.pool.expire()
        await until(lambda: [row.name for row in fixture.pool.rows()] == ["b"])
        assert (await fixture.pool.load("b", None)).ttl_s is None
        assert (await fixture.pool.load("a", None)).ttl_s == 600.0

    with_pool(tmp_path, test)


def test_the_watch_unloads_by_itself(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        watch = asyncio.create_task(fixture.pool.run())
        await fixture.pool.load("a", 0.0)
        await until(lambda: not fixture.pool.rows())
        watch.cancel()

    with_pool(tmp_path, test)


def test_pinned_models_stay_and_are_remembered(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        assert await fixture.pool.pin("A1", True) is None
        row = await fixture.pool.load("a", None)
        assert (row.pinned, row.expires_at) == (True, None)
        fixture.clock.now_s += 1e9
        assert fixture.pool.expire() is None
        with pytest.raises(OmlxError) as refusal:
            await fixture.pool.unload("a", False)
        assert refusal.value.code is Code.PINNED
        assert Fixture(tmp_path).state.pinned == ("a",)
        row_unpinned = await fixture.pool.pin("a", False)
        assert row_unpinned is not None
        assert not row_unpinned.pinned
        await fixture.pool.unload("a", False)
        assert fixture.pool.rows() == ()

    with_pool(tmp_path, test)


def test_pinned_models_are_loaded_at_start_and_failures_are_survived(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"pinned": ["gone", "broken", "b"]}))

    async def test(fixture: Fixture) -> None:
        watch = asyncio.create_task(fixture.pool.run())
        await until(lambda: [row.state for row in fixture.pool.rows()] == [SlotState.IDLE])
        assert fixture.pool.rows()[0].name == "b"
        watch.cancel()

    with_pool(tmp_path, test)


def test_unload_refuses_a_busy_model_and_force_ends_its_requests(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        with pytest.raises(OmlxError) as refusal:
            await fixture.pool.unload("A1", False)
        assert refusal.value.code is Code.IN_USE
        await fixture.pool.unload("a", True)
        await reader.task
        assert isinstance(reader.events[-1], Failed)
        assert reader.events[-1].error.code is Code.CANCELLED
        assert fixture.pool.rows() == ()
        await fixture.pool.unload("a", False)

    with_pool(tmp_path, test)


def test_unload_gives_up_a_load(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        await fixture.pool.unload("a", True)
        await reader.task
        assert reader.error is not None
        assert reader.error.code is Code.CANCELLED
        assert fixture.pool.rows() == ()

    with_pool(tmp_path, test)


def test_a_request_during_an_unload_gets_a_fresh_worker(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "obeys_stop", False)
        await fixture.pool.load("a", None)
        first = fixture.spawner.children[0]
        unload = asyncio.create_task(fixture.pool.unload("a", False))
        await until(lambda: fixture.pool.rows()[0].state is SlotState.UNLOADING)
        reader = Reader(fixture.pool, request("r1"))
        await asyncio.sleep(0)
        fixture.spawner.prepare = lambda child: None
        first.end(0)
        await unload
        await until(lambda: len(fixture.spawner.children) == 2)
        await finished(fixture, reader, fixture.spawner.children[1], "r1")
        assert reader.events[-1] == FINISHED

    with_pool(tmp_path, test)


def test_the_least_recently_used_idle_model_makes_room(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "holds_bytes", 100)
        for name in ("b", "a"):
            await fixture.pool.load(name, None)
            fixture.clock.now_s += 1
        await fixture.pool.load("c", None)
        assert [row.name for row in fixture.pool.rows()] == ["a", "c"]

    with_pool(tmp_path, test, limit=250)


def test_busy_and_pinned_models_are_never_evicted_and_the_refusal_lists_the_terms(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "holds_bytes", 100)
        await fixture.pool.pin("a", True)
        await fixture.pool.load("a", None)
        reader = Reader(fixture.pool, request("r1", "b"))
        await until(lambda: len(fixture.spawner.children) == 2 and fixture.spawner.children[1].submitted())
        with pytest.raises(OmlxError) as refusal:
            await fixture.pool.load("c", None)
        assert refusal.value.code is Code.INSUFFICIENT_MEMORY
        for term in ("100 B", "250 B", "200 B", "a, b"):
            assert term in refusal.value.body.message
        assert [row.name for row in fixture.pool.rows()] == ["a", "b"]
        await finished(fixture, reader, fixture.spawner.children[1], "r1")
        await fixture.pool.load("c", None)
        assert [row.name for row in fixture.pool.rows()] == ["a", "c"]

    with_pool(tmp_path, test, limit=250)


def test_two_loads_at_once_do_not_share_one_room(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "loads", False)
        first = asyncio.create_task(fixture.pool.load("a", None))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        with pytest.raises(OmlxError) as refusal:
            await fixture.pool.load("b", None)
        assert refusal.value.code is Code.INSUFFICIENT_MEMORY
        fixture.spawner.children[0].become_ready()
        await first

    with_pool(tmp_path, test, limit=150)


@pytest.mark.parametrize(("limit", "told"), [(1000, 1000), (300, 300)])
def test_a_worker_learns_what_it_may_take(tmp_path: Path, limit: int, told: int) -> None:
    async def test(fixture: Fixture) -> None:
        await fixture.pool.load("a", None)
        start = fixture.spawner.children[0].start
        assert start is not None
        assert (start.path, start.settings.memory_limit_bytes) == ("/m/a", told)

    with_pool(tmp_path, test, limit=limit, growth=8.0)


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
            assert reader.error is not None
            errors.append(reader.error.body)
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
        assert reader.error is not None
        assert (reader.error.code, str(reader.error)) == (Code.UNSUPPORTED_MODEL, "layer x is unknown")
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
        assert reader.events == [FINISHED]
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


def test_a_stall_is_seen(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        child = fixture.spawner.children[0]
        assert not fixture.pool.is_stalled()
        fixture.clock.now_s += 61
        assert fixture.pool.is_stalled()
        child.note(Report(steps=7, running=1, decode_tokens_per_s=12.5))
        await until(lambda: not fixture.pool.is_stalled())
        assert fixture.pool.rows()[0].decode_tokens_per_s == 12.5
        child.say("r1", FINISHED)
        await reader.task
        assert fixture.pool.rows()[0].decode_tokens_per_s == 0
        fixture.clock.now_s += 1000
        assert not fixture.pool.is_stalled()

    with_pool(tmp_path, test)
