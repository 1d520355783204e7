"""Property: whatever happens to workers, clients and the daemon, a request ends exactly once."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.core.events import Event, Failed, Finished, Prefill, Queued, Text
from tests.pool.doubles import CANCELLED, FINISHED, FakeChild, Fixture, Reader, request, until

MODELS = ("a", "b")
SAYINGS: dict[str, tuple[Event, ...]] = {
    "queued": (Queued(prompt_tokens=1),),
    "prefill": (Prefill(done_tokens=1, total_tokens=2),),
    "text": (Text(text="x", token_ids=(1,)),),
    "finished": (FINISHED,),
    "failed": (CANCELLED,),
    "twice": (FINISHED, CANCELLED, Text(text="late")),
}
STEPS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from(MODELS)),
    st.tuples(st.just("submit"), st.sampled_from(MODELS)),
    st.tuples(st.just("say"), st.integers(0, 4), st.sampled_from(sorted(SAYINGS))),
    st.tuples(st.just("leave"), st.integers(0, 4)),
    st.tuples(st.just("crash"), st.integers(0, 2)),
    st.tuples(st.just("ready"), st.integers(0, 2)),
    st.tuples(st.just("unload"), st.sampled_from(MODELS), st.booleans()),
    st.tuples(st.just("expire"), st.integers(0, 2000)),
    st.tuples(st.just("close"), st.sampled_from((0.0, 0.01))),
)
CHILD = st.tuples(st.booleans(), st.booleans(), st.booleans())


class World:
    """A pool, the requests made of it, and what is going on in the background."""

    def __init__(self, home: Path, children: list[tuple[bool, bool, bool]]) -> None:
        self.fixture = Fixture(home)
        self.readers: list[Reader] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._children = children
        self.fixture.spawner.prepare = self._prepare

    def _prepare(self, child: FakeChild) -> None:
        if self._children:
            child.loads, child.obeys_stop, child.obeys_cancel = self._children.pop()

    async def step(self, name: str, *arguments: object) -> None:
        match name, arguments:
            case "submit", (str(model),):
                self.readers.append(Reader(self.fixture.pool, request(f"r{len(self.readers)}", model)))
            case "leave", (int(index),) if index < len(self.readers):
                await self.readers[index].leave()
            case "unload", (str(model), bool(force)):
                self.tasks.append(asyncio.create_task(self._unload(model, force)))
            case "expire", (int(later_s),):
                self.fixture.clock.now_s += later_s
                self.fixture.pool.expire()
            case "close", (float(deadline_s),):
                self.tasks.append(asyncio.create_task(self.fixture.pool.close(deadline_s)))
            case _:
                self._happen(name, *arguments)
        for _ in range(4):
            await asyncio.sleep(0.0002)

    def _happen(self, name: str, *arguments: object) -> None:
        """Let workers do something by themselves."""
        children = self.fixture.spawner.children
        match name, arguments:
            case "say", (int(index), str(saying)):
                for child in self.fixture.spawner.alive:
                    child.say(f"r{index}", *SAYINGS[saying])
            case "crash", (int(index),) if index < len(children):
                children[index].end(-11)
            case "ready", (int(index),) if index < len(children):
                children[index].become_ready()

    async def _unload(self, model: str, force: bool) -> None:
        try:
            await self.fixture.pool.unload(model, force)
        except OmlxError:
            return

    async def end(self) -> None:
        self.fixture.pool.hurry()
        await self.fixture.pool.close(0)
        await asyncio.gather(*self.tasks)
        await until(lambda: all(reader.task.done() for reader in self.readers))


def check(reader: Reader) -> None:
    if reader.task.cancelled():
        assert len(reader.terminals) <= 1
    elif reader.error is not None:
        assert reader.events == []
    else:
        assert len(reader.terminals) == 1
        assert isinstance(reader.events[-1], Finished | Failed)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(STEPS, min_size=3, max_size=20), st.lists(CHILD, max_size=6))
def test_every_request_ends_exactly_once(
    steps: list[tuple[object, ...]], children: list[tuple[bool, bool, bool]]
) -> None:
    async def main(home: Path) -> None:
        world = World(home, list(children))
        async with asyncio.timeout(60):
            for name, *arguments in [("submit", "a"), *steps]:
                await world.step(str(name), *arguments)
            await world.end()
        for reader in world.readers:
            check(reader)
        assert not world.fixture.spawner.alive
        assert world.fixture.pool.rows() == ()

    with tempfile.TemporaryDirectory() as home:
        asyncio.run(main(Path(home)))
