"""Who stays in memory: expiry, pins, eviction, what a load may take."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from omlx_cli.contract.api import SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.model_options import ModelOptions
from tests.pool.doubles import FINISHED, Fixture, Reader, request, until
from tests.pool.scripted import finished, with_pool


def test_the_idle_clock_starts_when_the_last_lease_ends(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        readers = [Reader(fixture.pool, request(f"r{i}")) for i in range(2)]
        await until(lambda: fixture.spawner.children and len(fixture.spawner.children[0].submitted()) == 2)
        child = fixture.spawner.children[0]
        child.say("r0", FINISHED)
        await readers[0].task
        fixture.clock.now_s += 10_000
        fixture.pool.expire()
        assert (fixture.pool.rows()[0].pid, fixture.pool.rows()[0].expires_at) == (child.pid, None)
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


def test_a_disk_that_is_slow_to_take_the_names_holds_up_nobody(tmp_path: Path) -> None:
    written, waits = threading.Event(), list[bool]()

    async def test(fixture: Fixture) -> None:
        watch = asyncio.create_task(fixture.pool.run())
        await asyncio.sleep(0)
        await fixture.pool.load("a", None)
        written.set()
        await until(lambda: bool(waits))
        assert waits[0]
        watch.cancel()

    with_pool(tmp_path, test, publish=lambda names: waits.append(written.wait(20)))


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
    (tmp_path / "state.json").write_text(json.dumps({"pinned": ["gone", "c", "broken", "b"]}))

    async def test(fixture: Fixture) -> None:
        watch = asyncio.create_task(fixture.pool.run())
        await until(lambda: [row.state for row in fixture.pool.rows()] == [SlotState.IDLE] * 3)
        assert [child.start.model for child in fixture.spawner.children if child.start] == ["c", "b", "a"]
        assert all(row.pinned for row in fixture.pool.rows())
        watch.cancel()

    with_pool(tmp_path, test, options={"A1": ModelOptions(pin=True), "b": ModelOptions(pin=True)})


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
        assert refusal.value.code is Code.MEMORY_BUSY
        assert refusal.value.body.retry_after_s == 5
        for term in ("100 B", "250 B", "200 B", "a 100 B, pinned", "b 100 B, busy"):
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
        assert refusal.value.code is Code.MEMORY_BUSY
        fixture.spawner.children[0].become_ready()
        await first

    with_pool(tmp_path, test, limit=150)


@pytest.mark.parametrize(("limit", "told"), [(1000, 1000), (300, 100)])
def test_a_worker_learns_what_it_may_take(tmp_path: Path, limit: int, told: int) -> None:
    async def test(fixture: Fixture) -> None:
        await fixture.pool.load("a", None)
        start = fixture.spawner.children[0].start
        assert start is not None
        assert (start.path, start.settings.memory_limit_bytes) == ("/m/a", told)

    with_pool(tmp_path, test, limit=limit, growth=8.0)
