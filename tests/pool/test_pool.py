"""Leases and single-flight loads: the pool with scripted workers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from omlx_cli.contract.api import SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import Failed, Finished, Loading, Queued, Text
from omlx_daemon.core.ports import Inference, Requests, Slots
from tests.pool.doubles import FINISHED, Fixture, Reader, request, until
from tests.pool.scripted import finished, with_pool


def test_it_implements_the_ports(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        assert isinstance(fixture.pool, Inference)
        assert isinstance(fixture.pool, Slots)
        assert isinstance(fixture.pool, Requests)

    with_pool(tmp_path, test)


def test_a_request_loads_its_model_and_streams(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        child = fixture.spawner.children[0]
        child.say("r1", Queued(prompt_tokens=3))
        await until(lambda: len(reader.events) == 2)
        row = fixture.pool.rows()[0]
        assert (row.name, row.state, row.queued, row.running, row.pid) == ("a", SlotState.BUSY, 1, 0, child.pid)
        child.say("r1", Text(text="yes"))
        await until(lambda: fixture.pool.rows()[0].running)
        child.say("r1", FINISHED)
        await reader.task
        assert reader.events == [Loading(), Queued(prompt_tokens=3), Text(text="yes"), FINISHED]
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
        assert reader.failure.code is Code.CANCELLED
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
