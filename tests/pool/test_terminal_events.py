"""Property: whatever happens to workers, clients, memory and the daemon, a request ends exactly once."""

from __future__ import annotations

import asyncio
import math
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core.events import Event, Failed, Finished, Prefill, Queued, Text
from omlx_daemon.core.requests import Priority
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.wire.messages import Report
from tests.pool.doubles import CANCELLED, FINISHED, FakeChild, Fixture, Reader, request, until

MODELS = st.sampled_from(["a", "b", "c", "A1"])
SAYINGS: dict[str, tuple[Event, ...]] = {
    "queued": (Queued(prompt_tokens=1),),
    "prefill": (Prefill(done_tokens=1, total_tokens=2),),
    "text": (Text(text="x", token_ids=(1,)),),
    "flood": tuple(Text(text="x" * 100_000) for _ in range(60)),
    "finished": (FINISHED,),
    "failed": (CANCELLED,),
    "twice": (FINISHED, CANCELLED, Text(text="late")),
}
SETTINGS = PoolSettings(
    memory_limit_bytes=250, memory_patience_s=0.02, stop_s=0.02, cancel_s=0.02, stuck_s=50.0, restart_s=200.0
)
"""Two models of 100 bytes fit, three do not; workers that do not obey are given up soon."""
OBEDIENCE = st.tuples(st.booleans(), st.booleans(), st.booleans())


class Life(RuleBasedStateMachine):
    """Requests come, wait, run, leave, time out, lose their worker, their model or their daemon, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.home = tempfile.TemporaryDirectory()
        self.readers: list[Reader] = []
        self.tasks: list[asyncio.Task[Any]] = []
        self.ids = 0
        self.children: list[tuple[bool, bool, bool]] = []
        self.fixture = self.run(self._build())

    async def _build(self) -> Fixture:
        fixture = Fixture(Path(self.home.name), settings=SETTINGS)
        fixture.spawner.prepare = self._prepare
        return fixture

    def _prepare(self, child: FakeChild) -> None:
        child.holds_bytes = 100
        if self.children:
            child.loads, child.obeys_stop, child.obeys_cancel = self.children.pop()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def settle(self) -> None:
        self.run(_breathe())

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        async def start() -> None:
            self.tasks.append(asyncio.create_task(_quietly(work)))
            await _breathe()

        self.run(start())

    @initialize(children=st.lists(OBEDIENCE, max_size=8))
    def set_up(self, children: list[tuple[bool, bool, bool]]) -> None:
        self.children = children

    @rule(
        model=MODELS,
        deadline_s=st.sampled_from([None, None, 100.0, 0.002, 0.0]),
        keep_alive_s=st.sampled_from([None, None, 0.0, 5.0, math.inf]),
        priority=st.sampled_from(list(Priority)),
    )
    def ask(self, model: str, deadline_s: float | None, keep_alive_s: float | None, priority: Priority) -> None:
        asked = request(
            f"r{self.ids}.0", model, deadline_s=deadline_s, keep_alive_s=keep_alive_s, priority=priority, client="me"
        )
        self.ids += 1

        async def start() -> None:
            self.readers.append(Reader(self.fixture.pool, asked))
            await _breathe()

        self.run(start())

    @rule(pick=st.integers(0, 9), saying=st.sampled_from(sorted(SAYINGS)))
    def say(self, pick: int, saying: str) -> None:
        for child in self.fixture.spawner.alive:
            for request_id in child.submitted()[pick : pick + 1]:
                child.say(request_id, *SAYINGS[saying])
        self.settle()

    @rule(steps=st.integers(0, 3))
    def report(self, steps: int) -> None:
        for child in self.fixture.spawner.alive:
            child.note(Report(steps=steps, running=1))
        self.settle()

    @rule(pick=st.integers(0, 9))
    def leave(self, pick: int) -> None:
        if pick < len(self.readers):
            self.run(self.readers[pick].leave())

    @rule(pick=st.integers(0, 9), whole=st.booleans())
    def cancel(self, pick: int, whole: bool) -> None:
        async def end() -> None:
            self.fixture.pool.cancel(f"r{pick}" if whole else f"r{pick}.0")
            await _breathe()

        self.run(end())

    @rule(pick=st.integers(0, 4), code=st.sampled_from([0, 3, -9]))
    def crash(self, pick: int, code: int) -> None:
        for child in self.fixture.spawner.children[pick : pick + 1]:
            child.end(code)
        self.settle()

    @rule(pick=st.integers(0, 4), works=st.booleans())
    def end_load(self, pick: int, works: bool) -> None:
        for child in self.fixture.spawner.children[pick : pick + 1]:
            if works:
                child.become_ready()
            else:
                child.fail_load(ErrorBody(code=Code.LOAD_FAILED, message="no"))
        self.settle()

    @rule(seconds=st.sampled_from([1, 60, 250, 1000]))
    def wait(self, seconds: int) -> None:
        self.fixture.clock.now_s += seconds

        async def look() -> None:
            self.fixture.pool.expire()
            self.fixture.pool.look_after()
            await _breathe()

        self.run(look())

    @rule(model=MODELS, force=st.booleans())
    def unload(self, model: str, force: bool) -> None:
        self.begin(self.fixture.pool.unload(model, force))

    @rule(model=MODELS, ttl_s=st.sampled_from([None, 0.0, math.inf]))
    def load(self, model: str, ttl_s: float | None) -> None:
        self.begin(self.fixture.pool.load(model, ttl_s))

    @rule(model=MODELS, pinned=st.booleans())
    def pin(self, model: str, pinned: bool) -> None:
        self.begin(self.fixture.pool.pin(model, pinned))

    @rule(others=st.sampled_from([0, 0, 1 << 40]))
    def other_programs_take_memory(self, others: int) -> None:
        self.fixture.memory.others = others

    @rule(ttl=st.sampled_from(["", "0", "5s"]), pin=st.booleans())
    def reload_the_settings(self, ttl: str, pin: bool) -> None:
        self.fixture.options.replace({"a": ModelOptions(ttl=ttl, pin=pin)})
        self.fixture.pool.configure(SETTINGS)

    @rule(deadline_s=st.sampled_from([0.0, 0.005, 1.0]))
    def shut_down(self, deadline_s: float) -> None:
        self.begin(self.fixture.pool.close(deadline_s))

    @invariant()
    def nobody_ends_twice(self) -> None:
        for reader in self.readers:
            assert len(reader.terminals) <= 1
            assert not reader.terminals or reader.events[-1] is reader.terminals[0]
        going_on = sum(not reader.task.done() for reader in self.readers)
        assert len(self.fixture.pool.requests()) <= going_on

    def teardown(self) -> None:
        try:
            self.run(self._end())
            for reader in self.readers:
                _check(reader)
        finally:
            self.runner.close()
            self.home.cleanup()

    async def _end(self) -> None:
        pool = self.fixture.pool
        pool.hurry()
        async with asyncio.timeout(60):
            await pool.close(0)
            await asyncio.gather(*self.tasks)
            await until(lambda: all(reader.task.done() for reader in self.readers))
            await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        assert pool.requests() == ()
        assert pool._lifecycle.slots == {}, "a lease was not given back"
        assert not self.fixture.spawner.alive


async def _breathe() -> None:
    for _ in range(4):
        await asyncio.sleep(0.0002)


async def _quietly(work: Coroutine[Any, Any, Any]) -> None:
    try:
        await work
    except OmlxError:
        return


def _check(reader: Reader) -> None:
    if reader.task.cancelled():
        assert len(reader.terminals) <= 1
    elif reader.error is not None:
        assert reader.events == []
    else:
        assert len(reader.terminals) == 1
        assert isinstance(reader.events[-1], Finished | Failed)


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=60, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
