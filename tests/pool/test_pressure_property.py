"""Whatever is asked and whatever runs short, in any order: the limit holds, and nobody is harmed or refused in vain."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omlx_cli.contract.api import MemoryLevel
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.pool.memory.probe import Pressure
from tests.pool.doubles import FINISHED, Reader, until
from tests.pool.pressure import MB, Machine, Worker, settle, submitted, with_machine

SIZES = {"a": 400 * MB, "b": 300 * MB, "c": 100 * MB, "d": 700 * MB}
LIMIT, TOTAL, RESERVE, KV = 1000 * MB, 2000 * MB, 200 * MB, 20 * MB
RESIDENCY_S = 10.0
CHUNK = 20 * MB
"""What a worker may take between two looks: the transient by which the limit may be exceeded."""
REFUSALS = (Code.MEMORY_BUSY, Code.INSUFFICIENT_MEMORY)

Step = tuple[str, str, int]
NAMES = st.sampled_from(sorted(SIZES))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["load", "ask", "begin"]), NAMES, st.just(0)),
        st.tuples(st.sampled_from(["finish", "ready", "unload", "pin", "unpin"]), NAMES, st.just(0)),
        st.tuples(st.sampled_from(["kv", "hot", "pool"]), NAMES, st.integers(1, 30)),
        st.tuples(st.just("others"), st.just(""), st.sampled_from([0, 400, 900, 1400, 1900])),
        st.tuples(st.just("pressure"), st.just(""), st.integers(0, 2)),
        st.tuples(st.just("time"), st.just(""), st.integers(1, 30)),
    ),
    min_size=4,
    max_size=16,
)


class Story:
    """Plays steps on a machine, and sees after each that nothing went wrong."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.readers: dict[str, list[Reader]] = {name: [] for name in SIZES}
        self.loads: list[asyncio.Task[object]] = []
        self.count = 0
        self.unloading: set[str] = set()

    async def play(self, steps: list[Step]) -> None:
        for kind, name, amount in steps:
            protected = self.protected()
            self.unloading = set()
            await getattr(self, f"do_{kind}")(name, amount)
            await self.machine.look()
            self.check(protected)
        await self.end()

    def protected(self) -> list[Worker]:
        """Return the workers that may not be ended by anybody but a command."""
        rows = {row.name: row for row in self.machine.pool.rows()}
        return [
            worker
            for worker in self.machine.alive
            if worker.name in rows and (rows[worker.name].pinned or rows[worker.name].state in ("busy", "loading"))
        ]

    def check(self, protected: list[Worker]) -> None:
        machine = self.machine
        assert machine.used <= LIMIT + CHUNK, {worker.name: worker.total // MB for worker in machine.alive}
        for worker in protected:
            # A request that ended in this step, or an unpin, made the model idle; then it may go.
            still = any(not reader.task.done() for reader in self.readers[worker.name])
            if worker.name not in self.unloading and (still or machine.state.pinned.count(worker.name)):
                assert worker.alive, f"{worker.name} was needed and is gone"
        for worker in machine.workers:
            assert not worker.killed

    async def do_load(self, name: str, _: int) -> None:
        if self.is_loading(name):
            self.loads.append(asyncio.create_task(self._load(name)))
            return
        try:
            await self.machine.pool.load(name, None)
        except OmlxError as error:
            self.refused(name, error.body)

    async def do_begin(self, name: str, _: int) -> None:
        """Begin a load that takes until `ready`."""
        self.machine.slow_loads = True
        self.loads.append(asyncio.create_task(self._load(name)))
        await asyncio.sleep(0.12)
        self.machine.slow_loads = False

    async def _load(self, name: str) -> None:
        try:
            await self.machine.pool.load(name, None)
        except OmlxError as error:
            assert error.code in (*REFUSALS, Code.CANCELLED)

    async def do_ready(self, name: str, _: int) -> None:
        for worker in self.machine.alive:
            if worker.name == name and not worker.loads:
                worker.loads = True
                worker.become_ready()

    async def do_ask(self, name: str, _: int) -> None:
        self.count += 1
        request_id = f"r{self.count}"
        reader = self.machine.ask(request_id, name)
        if not self.is_loading(name):
            await until(lambda: reader.task.done() or self.has(name, request_id))
        self.readers[name].append(reader)
        if reader.task.done():
            self.refused(name, reader.failure)

    def is_loading(self, name: str) -> bool:
        return any(worker.name == name and not worker.loads for worker in self.machine.alive)

    def has(self, name: str, request_id: str) -> bool:
        return any(submitted(worker, request_id) for worker in self.machine.alive if worker.name == name)

    async def do_finish(self, name: str, _: int) -> None:
        for worker in self.machine.alive:
            if worker.name == name:
                worker.kv = worker.kv_expected = 0
                worker.report()
                for request_id in worker.submitted():
                    worker.say(request_id, FINISHED)
        await settle()

    async def do_unload(self, name: str, _: int) -> None:
        self.unloading.add(name)
        try:
            await self.machine.pool.unload(name, False)
        except OmlxError as error:
            assert error.code in (Code.PINNED, Code.IN_USE)

    async def do_pin(self, name: str, _: int) -> None:
        await self.machine.pool.pin(name, True)

    async def do_unpin(self, name: str, _: int) -> None:
        await self.machine.pool.pin(name, False)

    async def do_kv(self, name: str, amount: int) -> None:
        """A busy worker's requests grow, chunk by chunk."""
        for _ in range(amount):
            for worker in self.machine.alive:
                if worker.name == name and worker.loads and worker.submitted():
                    worker.grow_kv(CHUNK)
            await self.machine.look()
            assert self.machine.used <= LIMIT + CHUNK

    async def do_hot(self, name: str, amount: int) -> None:
        for worker in self.machine.alive:
            if worker.name == name and worker.loads:
                worker.grow_hot(amount * MB)

    async def do_pool(self, name: str, amount: int) -> None:
        for _ in range(amount):
            for worker in self.machine.alive:
                if worker.name == name and worker.loads:
                    worker.grow_pool(CHUNK)
            await self.machine.look()

    async def do_others(self, _: str, amount: int) -> None:
        self.machine.memory.others = amount * MB

    async def do_pressure(self, _: str, amount: int) -> None:
        self.machine.memory.pressure = Pressure(amount)

    async def do_time(self, _: str, amount: int) -> None:
        self.machine.clock.now_s += amount

    def refused(self, name: str, error: ErrorBody) -> None:
        """See that a refusal had its reason: with everything given back that could be, there was no room."""
        assert error.code in REFUSALS
        if error.code is Code.MEMORY_BUSY:
            assert error.retry_after_s > 0
        machine = self.machine
        if any(worker.name == name for worker in machine.alive):
            assert machine.pool.memory().level is MemoryLevel.RED
            return
        staying = sum(self.must_stay(worker) for worker in machine.alive)
        need = SIZES[name] + KV
        by_limit = LIMIT - staying
        by_system = TOTAL - machine.memory.others - RESERVE // 2 - staying
        assert need > min(by_limit, by_system) - MB, f"{name} would have fitted: {error.message}"

    def must_stay(self, worker: Worker) -> int:
        """Return what of a worker could not have been given back."""
        if not worker.loads:
            return SIZES[worker.name] + KV
        row = next(row for row in self.machine.pool.rows() if row.name == worker.name)
        young = self.machine.clock.now_s - worker.born_s < RESIDENCY_S
        if row.state == "idle" and not row.pinned and not young:
            return 0
        return worker.rest + max(worker.kv, KV)

    async def end(self) -> None:
        """Everybody else leaves: within two seconds nothing is short any more, and what is small is served."""
        machine = self.machine
        machine.memory.others, machine.memory.pressure = 0, Pressure.NONE
        for name in SIZES:
            await self.do_unpin(name, 0)
            await self.do_ready(name, 0)
        await until(lambda: all(load.done() for load in self.loads))
        for name in SIZES:
            await self.do_finish(name, 0)
        machine.clock.now_s += RESIDENCY_S
        await machine.look(4)
        assert machine.pool.memory().level is not MemoryLevel.RED
        await machine.pool.load("c", None)
        await until(lambda: all(row.state in ("idle", "busy") for row in machine.pool.rows()))
        for name in SIZES:
            await self.do_finish(name, 0)
        readers = [reader for found in self.readers.values() for reader in found]
        await until(lambda: all(reader.task.done() for reader in readers))
        assert all(len(reader.terminals) + (reader.error is not None) == 1 for reader in readers)


def on_machine(test: Callable[[Machine], Awaitable[None]]) -> None:
    with tempfile.TemporaryDirectory() as home:
        with_machine(
            partial(
                Machine, Path(home), SIZES, total=TOTAL, limit=LIMIT, reserve=RESERVE, kv=KV,
                min_residency_s=RESIDENCY_S, patience_s=0.0,
            ),
            test,
        )  # fmt: skip


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS)
def test_the_limit_holds_and_nobody_is_harmed_or_refused_in_vain(steps: list[Step]) -> None:
    async def test(machine: Machine) -> None:
        await Story(machine).play(steps)

    on_machine(test)


@pytest.mark.parametrize(
    "steps",
    [
        [("ask", "a", 0), ("kv", "a", 30), ("hot", "a", 30), ("pool", "a", 30), ("ask", "b", 0), ("kv", "b", 30)],
        [("load", "a", 0), ("pin", "a", 0), ("ask", "b", 0), ("load", "d", 0), ("time", "", 30), ("finish", "b", 0)],
        [
            ("load", "d", 0),
            ("others", "", 1400),
            ("time", "", 11),
            ("load", "a", 0),
            ("others", "", 0),
            ("ask", "d", 0),
        ],
        [
            ("begin", "a", 0),
            ("load", "d", 0),
            ("ready", "a", 0),
            ("load", "b", 0),
            ("begin", "d", 0),
            ("ready", "d", 0),
        ],
        [("begin", "a", 0), ("ask", "b", 0), ("load", "d", 0), ("time", "", 20), ("load", "c", 0), ("ready", "a", 0)],
    ],
)
def test_some_stories(steps: list[Step]) -> None:
    async def test(machine: Machine) -> None:
        await Story(machine).play(steps)

    on_machine(test)
