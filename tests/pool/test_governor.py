"""What is done when memory runs short: given back, shrunk, made to go, kept out; and that it ends with the shortage."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.api import MemoryLevel
from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Text
from omlx_daemon.pool.governor import TRIM_EVERY_S
from omlx_daemon.pool.memory.probe import Pressure
from omlx_daemon.wire.messages import Trim
from tests.pool.doubles import until
from tests.pool.pressure import MB, Machine, Worker, answered, settle, submitted, with_machine

SIZES = {"a": 400 * MB, "b": 400 * MB, "c": 100 * MB}
RECOVERY_LOOKS = 4
"""Two seconds."""


def on_machine(home: Path, test: Callable[[Machine], Awaitable[None]], **options: Any) -> None:
    with_machine(partial(Machine, home, SIZES, **options), test)


def level(machine: Machine) -> MemoryLevel:
    return machine.pool.memory().level


def trims(worker: Worker) -> int:
    return sum(isinstance(command, Trim) for command in worker.commands)


def test_yellow_gives_back_pools_and_shrinks_blocks_and_ends_nobodys_work(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        reader = machine.ask("r", "a")
        await until(lambda: submitted(machine.worker("a"), "r"))
        a = machine.worker("a")
        a.grow_hot(200 * MB)
        a.grow_pool(300 * MB)
        await machine.look()
        assert level(machine) is MemoryLevel.YELLOW
        assert machine.pool.memory().reasons == ("models take 90% of memory.limit",)
        assert (a.pool, a.stops) == (0, 0)
        assert a.hot == pytest.approx(100 * MB, abs=MB), "by as much as it was over the line"
        await machine.look(RECOVERY_LOOKS)
        assert level(machine) is MemoryLevel.GREEN
        a.grow_hot(200 * MB)
        assert a.hot == 200 * MB, "what was taken from the blocks comes back"
        await answered(a, "r", reader)

    on_machine(tmp_path, test)


def test_a_worker_that_computes_is_not_asked_at_every_look(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        a = machine.worker("a")
        a.silent = True
        a.grow_pool(450 * MB)
        await machine.look(10)
        assert trims(a) == 1
        machine.clock.now_s += TRIM_EVERY_S
        await machine.look()
        assert trims(a) == 2

    on_machine(tmp_path, test)


def test_red_keeps_new_work_out_and_lets_running_work_go_on(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        running = machine.ask("r1", "a")
        await until(lambda: submitted(machine.worker("a"), "r1"))
        machine.memory.others = machine.memory.total - 430 * MB
        await machine.look()
        assert level(machine) is MemoryLevel.RED
        newcomer = machine.ask("r2", "a")
        await newcomer.task
        refusal = newcomer.failure
        assert refusal.code is Code.MEMORY_BUSY
        assert refusal.retry_after_s > 0
        for term in ("the system has 31.5 MB left", "limit 1.0 GB", "used 419 MB", "available 31.5 MB"):
            assert term in refusal.message
        assert not submitted(machine.worker("a"), "r2")
        machine.worker("a").say("r1", Text(text="still here"))
        await answered(machine.worker("a"), "r1", running)
        assert [type(event).__name__ for event in running.events] == ["Text", "Finished"]

    on_machine(tmp_path, test)


def test_work_waits_for_the_end_of_red_and_that_comes_within_two_seconds(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        machine.memory.pressure = Pressure.CRITICAL
        await machine.look()
        waiting = machine.ask("r", "a")
        await settle()
        assert not submitted(machine.worker("a"), "r")
        machine.memory.pressure = Pressure.NONE
        looks = 0
        while level(machine) is not MemoryLevel.GREEN:
            await machine.look()
            looks += 1
        assert looks <= RECOVERY_LOOKS
        await until(lambda: submitted(machine.worker("a"), "r"))
        await answered(machine.worker("a"), "r", waiting)

    on_machine(tmp_path, test, patience_s=30, min_residency_s=1e9)


def test_a_request_that_waits_in_red_can_be_cancelled(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        machine.memory.pressure = Pressure.CRITICAL
        await machine.look()
        waiting = machine.ask("r", "a")
        await until(machine.pool.requests)
        assert machine.pool.cancel("r") == 1
        await waiting.task
        assert waiting.failure.code is Code.CANCELLED
        assert machine.pool.requests() == ()

    on_machine(tmp_path, test, patience_s=30, min_residency_s=1e9)


def test_models_that_fill_the_limit_alone_still_serve_one_request_after_the_other(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        machine.worker("a").rest += 560 * MB
        machine.worker("a").report()
        await machine.look()
        assert level(machine) is MemoryLevel.RED
        first = machine.ask("r1", "a")
        await until(lambda: submitted(machine.worker("a"), "r1"))
        second = machine.ask("r2", "a")
        await second.task
        assert second.failure.code is Code.MEMORY_BUSY
        await answered(machine.worker("a"), "r1", first)
        third = machine.ask("r3", "a")
        await until(lambda: submitted(machine.worker("a"), "r3"))
        await answered(machine.worker("a"), "r3", third)

    on_machine(tmp_path, test)


def test_red_makes_idle_models_go_one_at_a_time_and_spares_all_others(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.pin("b", True)
        for name in ("b", "c", "a"):
            await machine.pool.load(name, None)
            machine.clock.now_s += 100
        workers = {worker.name: worker for worker in machine.alive}
        machine.memory.others = machine.memory.total - machine.used - 20 * MB
        await machine.look()
        assert level(machine) is MemoryLevel.RED
        assert len(machine.alive) == 3, "the second look shows whether giving back was enough"
        await machine.look()
        await until(lambda: not workers["c"].alive)
        assert workers["a"].alive
        machine.memory.others += 100 * MB
        reader = machine.ask("r", "a")
        await settle()
        await machine.look(3)
        assert (workers["a"].alive, workers["b"].alive) == (True, True)
        await reader.task
        assert reader.failure.code is Code.MEMORY_BUSY
        await machine.look(2)
        await until(lambda: not workers["a"].alive)
        assert workers["b"].alive, "pinned"
        assert not any(worker.killed for worker in machine.workers)

    # The request waits, and keeps its model, for longer than those looks take.
    on_machine(tmp_path, test, limit=1500 * MB, patience_s=1.0)


def test_a_model_just_loaded_is_spared(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        machine.memory.pressure = Pressure.CRITICAL
        await machine.look(10)
        assert machine.worker("a").stops == 0
        machine.clock.now_s += 30
        await machine.look(2)
        await until(lambda: not machine.alive)

    on_machine(tmp_path, test, min_residency_s=30.0)


def test_kv_bounds_share_what_is_free_among_those_that_work(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        for name in ("a", "c"):
            await machine.pool.load(name, None)
        a, c = machine.worker("a"), machine.worker("c")
        await machine.look()
        # 1000 - 400 - 100, less 10 promised to each.
        assert 400 * MB < a.kv_limit <= 490 * MB
        reader = machine.ask("r", "a")
        await until(lambda: submitted(a, "r"))
        await machine.look()
        assert 400 * MB < a.kv_limit <= 490 * MB
        assert 200 * MB < c.kv_limit <= 250 * MB
        a.grow_kv(300 * MB)
        await machine.look()
        assert 400 * MB < a.kv_limit <= 490 * MB
        assert c.kv_limit <= 110 * MB
        a.grow_kv(1000 * MB)
        await machine.look()
        assert machine.used <= 1000 * MB
        assert c.kv_limit >= 10 * MB, "what one request was promised"
        await answered(a, "r", reader)

    on_machine(tmp_path, test, kv=10 * MB, hot=0)


def test_what_requests_are_expected_to_need_is_no_room_for_a_load(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        reader = machine.ask("r", "a")
        await until(lambda: submitted(machine.worker("a"), "r"))
        machine.worker("a").kv_expected = 550 * MB
        machine.worker("a").report()
        await settle()
        assert not (await machine.pool.estimate("c")).fits
        machine.worker("a").kv_expected = 100 * MB
        machine.worker("a").report()
        await settle()
        assert (await machine.pool.estimate("c")).fits
        await answered(machine.worker("a"), "r", reader)

    on_machine(tmp_path, test)


def test_nothing_is_measured_while_no_model_is_loaded(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        run = asyncio.create_task(machine.pool.run())
        await settle()
        assert machine.memory.reads == 0
        await machine.pool.load("a", None)
        before = machine.memory.reads
        await until(lambda: machine.memory.reads > before)
        run.cancel()

    on_machine(tmp_path, test)


def test_a_full_gpu_is_yellow_and_its_blocks_make_way(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        a = machine.worker("a")
        a.grow_hot(200 * MB)
        assert a.hot == 200 * MB
        a.rest += 250 * MB
        a.report()
        await machine.look()
        assert machine.pool.memory().reasons == ("models take 85% of the device's memory",)
        assert a.hot == pytest.approx(150 * MB, abs=2 * MB)
        a.rest += 300 * MB
        a.report()
        await machine.look()
        assert level(machine) is MemoryLevel.RED

    on_machine(tmp_path, test, device_cap=1000 * MB)
