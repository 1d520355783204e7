"""What the pool tells the journal: models that come and go, memory, who is stuck, who is turned away."""

from __future__ import annotations

from pathlib import Path

from omlx_cli.contract.live import HappeningKind
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.wire.messages import WorkerSettings
from tests.pool.doubles import FakeChild, Fixture, Reader, request, until
from tests.pool.pressure import MB, Machine
from tests.pool.scripted import finished, with_pool
from tests.pool.test_governor import RECOVERY_LOOKS, on_machine


def test_levels_of_memory_are_told_with_what_makes_them(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        machine.worker("a").grow_pool(500 * MB)
        machine.worker("a").grow_hot(200 * MB)
        await machine.look()
        await machine.look(RECOVERY_LOOKS)
        levels = [one.message for one in machine.notes.made if one.kind is HappeningKind.MEMORY]
        assert levels[0].startswith(("memory is yellow, models take", "memory is red, models take"))
        assert levels[-1] == "memory is green"

    on_machine(tmp_path, test)


def test_a_model_that_makes_way_says_so(tmp_path: Path) -> None:
    def holding(child: FakeChild) -> None:
        child.holds_bytes = 100

    async def test(fixture: Fixture) -> None:
        fixture.spawner.prepare = holding
        await fixture.pool.load("a", None)
        fixture.clock.now_s += 1000.0
        await fixture.pool.load("b", None)
        told = [(one.kind, one.model) for one in fixture.notes.made]
        assert told == [(HappeningKind.LOADED, "a"), (HappeningKind.UNLOADED, "a"), (HappeningKind.LOADED, "b")]
        assert fixture.notes.made[1].message == "a was unloaded to make room in memory"

    with_pool(tmp_path, test, limit=150)


def test_a_model_that_does_not_fit_is_refused_with_the_terms(tmp_path: Path) -> None:
    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r"))
        await reader.task
        assert {one.kind for one in fixture.notes.made} == {HappeningKind.REFUSED}
        assert [one.request for one in fixture.notes.made] == ["", "r"]
        assert reader.failure.message == fixture.notes.made[0].message

    with_pool(tmp_path, test, limit=50)


def test_a_full_queue_is_told(tmp_path: Path) -> None:
    settings = PoolSettings(
        memory_limit_bytes=1 << 30, stop_s=5.0, cancel_s=5.0, worker=WorkerSettings(max_running=1, max_queued=0)
    )

    async def test(fixture: Fixture) -> None:
        first = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        second = Reader(fixture.pool, request("r2"))
        await second.task
        [refused] = [one for one in fixture.notes.made if one.kind is HappeningKind.REFUSED]
        assert (refused.request, refused.model, refused.message) == ("r2", "a", second.failure.message)
        await finished(fixture, first, fixture.spawner.children[0], "r1")
        assert fixture.notes.made[-1].kind is HappeningKind.FINISHED

    with_pool(tmp_path, test, settings=settings)


def test_a_stuck_worker_is_told_once_and_its_end_is_a_crash(tmp_path: Path) -> None:
    settings = PoolSettings(memory_limit_bytes=1 << 30, stop_s=5.0, cancel_s=5.0, stuck_s=10.0, restart_s=60.0)

    async def test(fixture: Fixture) -> None:
        reader = Reader(fixture.pool, request("r1"))
        await until(lambda: fixture.spawner.children and fixture.spawner.children[0].submitted())
        for _ in range(3):
            fixture.clock.now_s += 11.0
            fixture.pool.look_after()
        [stuck] = [one for one in fixture.notes.made if one.kind is HappeningKind.STUCK]
        assert (stuck.model, stuck.request) == ("a", "r1")
        fixture.clock.now_s += 60.0
        fixture.pool.look_after()
        await reader.task
        await until(lambda: HappeningKind.CRASHED in [one.kind for one in fixture.notes.made])

    with_pool(tmp_path, test, settings=settings)
