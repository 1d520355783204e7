"""Room for a load: what is given back first, who makes way, what a refusal says, what is learnt."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.api import SlotState
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.pool.state import StateStore
from omlx_daemon.wire.cache import ResizeHot
from omlx_daemon.wire.messages import Trim
from tests.pool.doubles import until
from tests.pool.pressure import MB, Machine, answered, submitted, with_machine

SIZES = {"a": 400 * MB, "b": 400 * MB, "c": 400 * MB, "tiny": 50 * MB, "huge": 3000 * MB}


def on_machine(home: Path, test: Callable[[Machine], Awaitable[None]], **options: Any) -> None:
    with_machine(partial(Machine, home, SIZES, **options), test)


async def refused(machine: Machine, name: str) -> OmlxError:
    with pytest.raises(OmlxError) as refusal:
        await machine.pool.load(name, None)
    return refusal.value


def names(machine: Machine) -> list[str]:
    return [row.name for row in machine.pool.rows()]


def test_free_pools_go_before_anything_else(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        a = machine.worker("a")
        a.grow_pool(500 * MB)
        a.grow_hot(50 * MB)
        await machine.pool.load("b", None)
        assert (a.pool, a.hot, a.stops) == (0, 50 * MB, 0)
        assert names(machine) == ["a", "b"]
        assert machine.caches.hot_budget_bytes >= 50 * MB

    on_machine(tmp_path, test, limit=1100 * MB)


def test_then_the_blocks_in_memory_shrink_by_what_is_missing(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        a = machine.worker("a")
        a.grow_hot(200 * MB)
        await machine.pool.load("b", None)
        assert a.hot > 150 * MB
        a.grow_pool(40 * MB)
        machine.caches.budgets.clear()
        await machine.pool.load("c", None)
        assert (a.pool, a.stops) == (0, 0)
        assert machine.caches.budgets[0] == pytest.approx(50 * MB, abs=MB)
        assert names(machine) == ["a", "b", "c"]
        assert [command for command in a.commands if isinstance(command, ResizeHot)][-1].keep_unsaved

    on_machine(tmp_path, test, limit=1250 * MB, hot=400 * MB)


def test_then_the_idle_model_used_longest_ago_makes_way(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        for name in ("b", "a"):
            await machine.pool.load(name, None)
            machine.clock.now_s += 10
        await machine.pool.load("c", None)
        assert names(machine) == ["a", "c"]
        assert machine.pool.memory().swaps == 1

    on_machine(tmp_path, test)


def test_nobody_makes_way_in_vain(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("tiny", None)
        await machine.pool.pin("a", True)
        await machine.pool.load("a", None)
        machine.worker("tiny").grow_hot(20 * MB)
        reader = machine.ask("r", "b")
        await until(lambda: len(machine.alive) == 3 and submitted(machine.worker("b"), "r"))
        error = await refused(machine, "c")
        assert error.code is Code.MEMORY_BUSY
        assert names(machine) == ["a", "b", "tiny"]
        assert machine.worker("tiny").hot == 20 * MB
        assert not any(isinstance(command, Trim) for worker in machine.alive for command in worker.commands)
        await answered(machine.worker("b"), "r", reader)

    on_machine(tmp_path, test, limit=1100 * MB)


def test_a_model_that_can_never_fit_is_refused_for_good_at_once(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        error = await refused(machine, "huge")
        assert error.code is Code.INSUFFICIENT_MEMORY
        assert error.body.retry_after_s == 0
        for term in ("huge needs 3.1 GB (weights 3.1 GB)", "limit 1.0 GB", "used 419 MB", "available 1.7 GB"):
            assert term in error.body.message
        assert "smaller model" in error.body.hint
        assert names(machine) == ["a"]

    on_machine(tmp_path, test, patience_s=600)


def test_a_refusal_says_which_limit_would_do_and_whom_to_unpin(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        for name in ("a", "b"):
            await machine.pool.pin(name, True)
            await machine.pool.load(name, None)
        error = await refused(machine, "c")
        assert error.code is Code.INSUFFICIENT_MEMORY
        assert error.body.hint == "omlx unpin a; omlx config set memory.limit 1200MiB"
        machine.pool.configure(replace(machine.settings, memory_limit_bytes=1200 * MB))
        await machine.pool.load("c", None)

    on_machine(tmp_path, test)


def test_a_process_limit_bounds_the_model_and_what_it_may_take_beside(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        machine.memory.process_cap = 450 * MB
        await machine.pool.load("a", None)
        assert machine.worker("a").kv_limit <= 50 * MB
        await machine.look()
        assert machine.worker("a").kv_limit <= 50 * MB
        machine.memory.process_cap = 350 * MB
        error = await refused(machine, "b")
        assert error.code is Code.INSUFFICIENT_MEMORY
        assert "process limit 367 MB" in error.body.message
        assert error.body.hint == "raise ulimit -d, then omlx restart"

    on_machine(tmp_path, test)


def test_a_load_waits_until_a_request_ends_and_says_so_meanwhile(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        readers = {name: machine.ask(f"r-{name}", name) for name in ("a", "b")}
        await until(lambda: sum(submitted(worker, f"r-{worker.name}") for worker in machine.alive) == 2)
        load = asyncio.create_task(machine.pool.load("c", None))
        await until(lambda: any(row.waits for row in machine.pool.rows()))
        row = next(row for row in machine.pool.rows() if row.name == "c")
        assert (row.state, row.waits) == (SlotState.LOADING, "waits for 210 MB: a is busy, b is busy")
        assert machine.pool.memory().waiting == (f"c {row.waits}",)
        quick = machine.ask("r-a2", "a")
        await until(lambda: submitted(machine.worker("a"), "r-a2"))
        await answered(machine.worker("a"), "r-a2", quick)
        await answered(machine.worker("b"), "r-b", readers["b"])
        assert (await load).state is SlotState.IDLE
        assert machine.pool.memory().waiting == ()
        assert sorted(worker.name for worker in machine.alive) == ["a", "c"]
        await answered(machine.worker("a"), "r-a", readers["a"])

    on_machine(tmp_path, test, patience_s=30)


def test_a_load_that_nobody_wants_any_more_waits_no_longer(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        reader = machine.ask("r", "a")
        await until(lambda: machine.alive and submitted(machine.worker("a"), "r"))
        await machine.pool.pin("b", True)
        await machine.pool.load("b", None)
        load = asyncio.create_task(machine.pool.load("c", None))
        await until(lambda: machine.pool.memory().waiting)
        await machine.pool.unload("c", True)
        with pytest.raises(OmlxError) as gone:
            await load
        assert gone.value.code is Code.CANCELLED
        assert machine.pool.memory().waiting == ()
        await answered(machine.worker("a"), "r", reader)

    on_machine(tmp_path, test, patience_s=600)


def test_memory_that_other_programs_hold_is_waited_for(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        machine.memory.others = 1700 * MB
        load = asyncio.create_task(machine.pool.load("a", None))
        await until(lambda: machine.pool.memory().waiting)
        assert machine.pool.memory().waiting == ("a waits for 210 MB of the system's memory",)
        machine.memory.others = 0
        await load

    on_machine(tmp_path, test, patience_s=30)


def test_two_models_that_do_not_both_fit_swap_once_a_window(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("tiny", None)
        machine.clock.now_s += 100
        for name in ("a", "b"):
            await machine.pool.load(name, None)
            machine.clock.now_s += 31
        swaps, refusals = 0, 0
        began_s = machine.clock.now_s
        while machine.clock.now_s - began_s < 300:
            for name in ("c", "a", "b"):
                try:
                    await machine.pool.load(name, None)
                except OmlxError as error:
                    refusals += 1
                    assert error.code is Code.MEMORY_BUSY
                    assert 0 < error.body.retry_after_s <= 30
                    assert "just loaded" in error.body.message
                    assert "omlx unload" in error.body.hint
                machine.clock.now_s += 5
        swaps = machine.pool.memory().swaps
        assert refusals > 10
        assert 5 <= swaps <= 1 + 2 * 300 / 30
        assert any("refused" in line and "stays" in line for line in machine.pool.memory().waiting)

    on_machine(tmp_path, test, min_residency_s=30.0, patience_s=0.0)
    alarms = [record for record in caplog.records if "take turns" in record.message]
    assert 1 <= len(alarms) <= 12


def test_alternating_between_two_gives_at_most_one_swap_a_window(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        loaded_s: list[float] = []
        for step in range(200):
            before = len(machine.workers)
            try:
                await machine.pool.load("ab"[step % 2], None)
            except OmlxError as error:
                assert error.code is Code.MEMORY_BUSY
            if len(machine.workers) > before:
                loaded_s.append(machine.clock.now_s)
            machine.clock.now_s += 1.5
        assert len(loaded_s) > 3
        assert all(later - earlier >= 30 for earlier, later in pairwise(loaded_s))

    on_machine(tmp_path, test, limit=600 * MB, min_residency_s=30.0, patience_s=0.0)


def test_what_a_load_took_is_remembered(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        assert (await machine.pool.estimate("a")).needed_bytes == 400 * MB
        machine.estimates["a"] = 400 * MB
        machine.sizes["a"] = 600 * MB
        await machine.pool.load("a", None)
        await machine.pool.unload("a", False)
        found = await machine.pool.estimate("a")
        assert found.needed_bytes == pytest.approx(600 * MB, rel=0.01)
        assert found.need[-1].name == "measured"
        await machine.state.flush()

    on_machine(tmp_path, test)
    assert json.loads((tmp_path / "state.json").read_text())["load_ratios"] == {f"a {400 * MB} as stored": 1.5}
    assert StateStore(tmp_path / "state.json").ratio(f"a {400 * MB} as stored") == 1.5


def test_an_estimate_tells_who_would_make_way_and_loads_nothing(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        free = await machine.pool.estimate("a")
        assert (free.fits, free.unloads, free.verdict) == (True, (), "a would fit")
        assert free.needed_bytes == sum(term.size_bytes for term in free.need) == 400 * MB
        await machine.pool.load("b", None)
        await machine.pool.load("c", None)
        crowded = await machine.pool.estimate("a")
        assert (crowded.fits, crowded.unloads) == (True, ("b",))
        assert crowded.verdict == "a would fit once b made way"
        huge = await machine.pool.estimate("huge")
        assert (huge.fits, huge.verdict) == (False, "huge would not fit at all")
        assert huge.advice
        assert (await machine.pool.estimate("b")).verdict == "b is in memory"
        assert names(machine) == ["b", "c"]
        with pytest.raises(OmlxError) as unknown:
            await machine.pool.estimate("nobody")
        assert unknown.value.code is Code.MODEL_NOT_FOUND

    on_machine(tmp_path, test)


def test_one_request_of_a_loaded_model_keeps_its_room(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        await machine.pool.load("a", None)
        assert machine.worker("a").kv_limit >= 300 * MB
        error = await refused(machine, "b")
        assert error.code is Code.MEMORY_BUSY
        assert "promised 315 MB" in error.body.message
        machine.worker("a").grow_kv(300 * MB)
        assert machine.worker("a").kv == 300 * MB

    on_machine(tmp_path, test, kv=300 * MB, limit=1200 * MB, min_residency_s=1000.0)


def test_a_gpus_own_memory_is_weighed_apart(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        for name in ("a", "b"):
            await machine.pool.load(name, None)
            machine.clock.now_s += 10
        assert [row.size_bytes for row in machine.pool.rows()] == [400 * MB, 400 * MB]
        b = machine.worker("b")
        b.grow_hot(60 * MB)
        b.grow_pool(140 * MB)
        await machine.pool.load("tiny", None)
        assert (b.pool, b.stops) == (0, 0)
        await machine.pool.load("c", None)
        assert names(machine) == ["b", "c", "tiny"]
        error = await refused(machine, "huge")
        assert error.code is Code.INSUFFICIENT_MEMORY
        assert "device cap 1.0 GB" in error.body.message
        terms = {term.name: term.size_bytes for term in machine.pool.memory().terms}
        assert terms["used"] == 3 * machine.memory.HOST
        assert terms["device used"] >= 850 * MB
        assert terms["device free"] == 1000 * MB - machine.used

    on_machine(tmp_path, test, device_cap=1000 * MB, total=1000 * MB, limit=500 * MB)


def test_a_gpu_that_others_fill_is_waited_for(tmp_path: Path) -> None:
    async def test(machine: Machine) -> None:
        machine.memory.device_held[1] = 700 * MB
        load = asyncio.create_task(machine.pool.load("a", None))
        await until(lambda: machine.pool.memory().waiting)
        machine.memory.forget(1)
        await load

    on_machine(tmp_path, test, device_cap=1000 * MB, patience_s=30)
