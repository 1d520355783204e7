"""Requests that are ended from outside, wherever they stand: deadlines, cancels by id, clients that leave."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from omlx_cli.contract.api import RequestPhase, SlotState
from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Loading, Prefill, Queued, Text
from omlx_daemon.core.requests import Priority
from omlx_daemon.wire.messages import Cancel, LoadProgress
from tests.pool.doubles import FINISHED, FakeChild, Fixture, Reader, request, until
from tests.pool.scripted import finished, with_pool


def never_ready(child: FakeChild) -> None:
    child.loads = False


async def submitted(fixture: Fixture, *ids: str) -> FakeChild:
    await until(lambda: fixture.spawner.children and set(ids) <= set(fixture.spawner.children[0].submitted()))
    return fixture.spawner.children[0]


def test_a_deadline_counts_while_the_model_loads(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = never_ready
        reader = Reader(fixture.pool, request("r1", deadline_s=0.05))
        patient = Reader(fixture.pool, request("r2"))
        await reader.task
        assert reader.failure.code is Code.TIMEOUT
        assert reader.events[0] == Loading()
        assert fixture.pool.rows()[0].state is SlotState.LOADING
        fixture.spawner.children[0].become_ready()
        await finished(fixture, patient, fixture.spawner.children[0], "r2")
        assert fixture.spawner.children[0].submitted() == ["r2"]

    with_pool(tmp_path, test)


def test_the_worker_is_told_what_is_left_of_a_deadline(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = never_ready
        reader = Reader(fixture.pool, request("r1", deadline_s=100.0))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        fixture.clock.now_s += 30
        fixture.spawner.children[0].become_ready()
        child = await submitted(fixture, "r1")
        assert child.asked("r1").deadline_s == 70
        assert fixture.pool.requests()[0].left_s == 70
        child.say("r1", FINISHED)
        await reader.task

    with_pool(tmp_path, test)


def test_a_worker_that_does_not_mind_the_deadline_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlx_daemon.pool.live.DEADLINE_GRACE_S", 0.02)

    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = lambda child: setattr(child, "obeys_cancel", False)
        # It is there already: the request reaches it before its deadline, however slowly that is.
        await fixture.pool.load("a", None)
        reader = Reader(fixture.pool, request("r1", deadline_s=0.02))
        await reader.task
        assert reader.failure.code is Code.TIMEOUT
        child = fixture.spawner.children[0]
        assert child.commands[-1] == Cancel(id="r1")
        assert fixture.pool.rows()[0].state is SlotState.BUSY
        child.say("r1", FINISHED)
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)
        assert len(reader.terminals) == 1

    with_pool(tmp_path, test)


def test_cancel_by_id_ends_a_request_in_every_phase_with_one_typed_error(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = never_ready
        loading = Reader(fixture.pool, request("loading"))
        others = {name: Reader(fixture.pool, request(name)) for name in ("sent", "queued", "prefill", "decode")}
        await until(lambda: len(fixture.pool.requests()) == 5)
        assert {row.phase for row in fixture.pool.requests()} == {RequestPhase.LOADING}
        assert fixture.pool.cancel("loading") == 1
        await loading.task
        assert loading.failure.code is Code.CANCELLED
        fixture.spawner.children[0].become_ready()
        child = await submitted(fixture, *others)
        child.say("queued", Queued(prompt_tokens=9))
        child.say("prefill", Queued(prompt_tokens=9), Prefill(done_tokens=4, total_tokens=9))
        child.say("decode", Queued(prompt_tokens=9), Text(text="ab", token_ids=(1, 2)), Text(text="c", token_ids=(3,)))
        await until(lambda: sorted(row.tokens for row in fixture.pool.requests()) == [0, 0, 0, 3])
        rows = {row.id: row for row in fixture.pool.requests()}
        assert [rows[name].phase.value for name in others] == ["queued", "queued", "prefill", "decode"]
        assert (rows["prefill"].prefilled_tokens, rows["prefill"].prompt_tokens) == (4, 9)
        for name, reader in others.items():
            assert fixture.pool.cancel(name) == 1
            await reader.task
            assert (reader.failure.code, len(reader.terminals)) == (Code.CANCELLED, 1)
            assert Cancel(id=name) in child.commands
        assert fixture.pool.requests() == ()
        assert fixture.pool.cancel("decode") == 0
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)

    with_pool(tmp_path, test)


def test_cancel_ends_all_sequences_of_a_request_and_no_others(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        readers = {name: Reader(fixture.pool, request(name)) for name in ("req_1.0", "req_1.1", "req_11.0")}
        child = await submitted(fixture, *readers)
        assert fixture.pool.cancel("req_1") == 2
        await asyncio.gather(readers["req_1.0"].task, readers["req_1.1"].task)
        assert [row.id for row in fixture.pool.requests()] == ["req_11.0"]
        await finished(fixture, readers["req_11.0"], child, "req_11.0")

    with_pool(tmp_path, test)


def test_whoever_leaves_while_the_model_loads_is_forgotten_and_the_load_goes_on(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = never_ready
        reader = Reader(fixture.pool, request("r1", deadline_s=50.0))
        await until(lambda: fixture.pool.rows() and fixture.pool.rows()[0].queued == 1)
        await reader.leave()
        assert fixture.pool.requests() == ()
        assert (fixture.pool.rows()[0].state, fixture.pool.rows()[0].queued) == (SlotState.LOADING, 0)
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        fixture.spawner.children[0].become_ready()
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)

    with_pool(tmp_path, test)


def test_the_progress_of_a_load_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlx_daemon.pool.waiting.LOOK_S", 0.005)

    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = never_ready
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].start)
        fixture.spawner.children[0].note(LoadProgress(step="weights", share=0.5))
        await until(lambda: reader.events[-1] == Loading(share=0.5))
        fixture.spawner.children[0].become_ready()
        await finished(fixture, reader, fixture.spawner.children[0], "r1")
        assert reader.events[0] == Loading()

    with_pool(tmp_path, test)


def test_a_row_tells_whose_request_it_is(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1", "A1", client="agent", priority=Priority.BATCH))
        child = await submitted(fixture, "r1")
        fixture.clock.now_s += 12
        [row] = fixture.pool.requests()
        assert (row.model, row.client, row.priority, row.age_s) == ("a", "agent", "batch", 12.0)
        assert row.left_s is None
        await finished(fixture, reader, child, "r1")

    with_pool(tmp_path, test)


def test_an_id_is_used_once_at_a_time(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        child = await submitted(fixture, "r1")
        again = Reader(fixture.pool, request("r1"))
        await again.task
        assert again.failure.code is Code.INVALID_REQUEST
        await finished(fixture, reader, child, "r1")
        await until(lambda: fixture.pool.rows()[0].state is SlotState.IDLE)

    with_pool(tmp_path, test)
