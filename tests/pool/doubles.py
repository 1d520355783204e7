"""Doubles for the pool's constructor arguments: a scripted worker, a clock set by hand, a memory of chosen size."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from omlx_cli.contract.api import MemoryTerm
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.model_options import ModelOptions
from omlx_daemon.core import errors
from omlx_daemon.core.events import Event, Failed, Finished, FinishReason, Usage
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.core.requests import GenerationRequest, TextPrompt
from omlx_daemon.pool.memory.costs import Cost, Estimate
from omlx_daemon.pool.memory.probe import Pressure, Reading
from omlx_daemon.pool.pool import Pool
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.worker_process import Child, Spawner
from omlx_daemon.wire.frames import pack
from omlx_daemon.wire.messages import Cancel, Command, Events, LoadFailed, Ready, Start, Stop, Submit
from tests.notes import Notes

_LENGTH = struct.Struct("<I")
_COMMANDS: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
FINISHED = Finished(reason=FinishReason.STOP, usage=Usage(completion_tokens=1))
CANCELLED = Failed(error=ErrorBody(code=Code.CANCELLED, message="cancelled"))


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class FakeMemory:
    """A memory of `total` bytes; a model takes its weights, `growth` times that at best, and `kv` beside them.

    What workers hold is what they say of themselves; `others` is what other programs take. With a `device_cap` the
    arrays lie in a device's memory of that size, and a process takes `HOST` bytes of the system's.
    """

    HOST = 10 << 20

    def __init__(self, total: int = 1 << 40, growth: float = 1.0, kv: int = 0) -> None:
        self.total = total
        self.growth = growth
        self.kv = kv
        self.others = 0
        self.process_cap = 0
        self.reads = 0
        self.pressure = Pressure.NONE
        self.stalled = (0.0, 0.0)
        self.held: dict[int, int] = {}
        self.device_cap = 0
        self.device_held: dict[int, int] = {}

    @property
    def has_device_memory(self) -> bool:
        return bool(self.device_cap)

    def hold(self, pid: int, size: int) -> None:
        """Note what a process holds."""
        self.held[pid] = self.HOST if self.device_cap else size
        self.device_held[pid] = size if self.device_cap else 0

    def forget(self, pid: int) -> None:
        """Note that a process is gone."""
        self.held.pop(pid, None)
        self.device_held.pop(pid, None)

    def read(self) -> Reading:
        self.reads += 1
        taken = sum(self.held.values()) + self.others
        return Reading(
            total_bytes=self.total,
            available_bytes=max(0, self.total - taken),
            process_cap_bytes=self.process_cap,
            device_cap_bytes=self.device_cap,
            device_free_bytes=self.device_cap - sum(self.device_held.values()) if self.device_cap else None,
            pressure=self.pressure,
            stalled_some=self.stalled[0],
            stalled_full=self.stalled[1],
        )

    def resident_bytes(self, pid: int) -> int:
        return self.held.get(pid, 0)

    def estimate(self, spec: ModelSpec) -> Estimate:
        least = self._cost(spec.weights_bytes, "as stored")
        return Estimate(least, least if self.growth <= 1 else self._cost(int(spec.weights_bytes * self.growth), "wide"))

    def _cost(self, weights: int, note: str) -> Cost:
        terms = [MemoryTerm(name="weights", size_bytes=weights, note=note)]
        terms += [MemoryTerm(name="kv", size_bytes=self.kv)] if self.kv else []
        arrays = weights + self.kv
        if not self.device_cap:
            return Cost(tuple(terms), arrays, arrays, self.kv)
        terms.append(MemoryTerm(name="process", size_bytes=self.HOST))
        return Cost(tuple(terms), self.HOST, arrays, self.kv)


class FakeChild:
    """A worker that lives in the test: obeys, unless told not to, and sends what it is told to."""

    def __init__(self, pid: int, memory: FakeMemory) -> None:
        self.pid = pid
        self.reader = asyncio.StreamReader()
        self.commands: list[Command] = []
        self.start: Start | None = None
        self.loads = True
        self.holds_bytes = 0
        self.obeys_stop = True
        self.obeys_cancel = True
        self.killed = False
        self._memory = memory
        self._exit: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def alive(self) -> bool:
        return not self._exit.done()

    def send(self, frame: bytes) -> None:
        command = _COMMANDS.decode(frame[_LENGTH.size :])
        self.commands.append(command)
        match command:
            case Start():
                self.start = command
                if self.loads:
                    self.become_ready()
            case Cancel() if self.obeys_cancel:
                self.say(command.id, CANCELLED)
            case Stop() if self.obeys_stop:
                self.end(0)
            case _:
                pass

    def become_ready(self) -> None:
        self._memory.hold(self.pid, self.holds_bytes)
        self.note(Ready(weights_bytes=self.holds_bytes))

    def fail_load(self, error: ErrorBody) -> None:
        self.note(LoadFailed(error=error))
        self.end(1)

    def note(self, message: msgspec.Struct) -> None:
        if self.alive:
            self.reader.feed_data(pack(message))

    def say(self, request_id: str, *events: Event) -> None:
        self.note(Events(items=tuple((request_id, event) for event in events)))

    def asked(self, request_id: str) -> GenerationRequest:
        """Return a request as it was submitted."""
        return next(c.request for c in self.commands if isinstance(c, Submit) and c.request.id == request_id)

    def submitted(self) -> list[str]:
        return [command.request.id for command in self.commands if isinstance(command, Submit)]

    def end(self, code: int) -> None:
        if self.alive:
            self._memory.forget(self.pid)
            self.reader.feed_eof()
            self._exit.set_result(code)

    async def wait(self) -> int:
        return await asyncio.shield(self._exit)

    def kill(self) -> None:
        self.killed = True
        self.end(-9)

    def close(self) -> None:
        self._memory.forget(self.pid)


class FakeSpawner:
    """Hands out `FakeChild`ren and remembers them; `prepare` sets each one up."""

    def __init__(self, memory: FakeMemory, prepare: Callable[[FakeChild], None] = lambda child: None) -> None:
        self.children: list[FakeChild] = []
        self.prepare = prepare
        self._memory = memory

    async def __call__(self, name: str) -> Child:
        child = FakeChild(100 + len(self.children), self._memory)
        self.prepare(child)
        self.children.append(child)
        return child

    @property
    def alive(self) -> list[FakeChild]:
        return [child for child in self.children if child.alive]


class Fixture:
    """A pool of fakes: models `a`, `b`, `c` (alias `A1` of `a`) of 100 bytes each."""

    def __init__(
        self,
        home: Path,
        *,
        limit: int = 1 << 30,
        growth: float = 1.0,
        spawn: Spawner | None = None,
        settings: PoolSettings | None = None,
        options: dict[str, ModelOptions] | None = None,
        publish: Callable[[list[str]], None] = lambda names: None,
    ) -> None:
        self.clock = Clock()
        self.notes = Notes()
        self.options = Options(options)
        self.memory = FakeMemory(growth=growth)
        self.spawner = FakeSpawner(self.memory)
        self.state = StateStore(home / "state.json")
        self.broken = ModelSpec(name="broken", path="/m/x", source="omlx", weights_bytes=1, problem="no safetensors")
        self.specs = {name: _spec(name) for name in ("a", "b", "c")}
        self.pool = Pool(
            self.resolve,
            spawn or self.spawner,
            self.state,
            settings or PoolSettings(memory_limit_bytes=limit, memory_patience_s=0.2, stop_s=5.0, cancel_s=5.0),
            self.memory,
            options=self.options,
            publish=publish,
            journal=self.notes,
            clock=self.clock,
            wall=lambda: 1_700_000_000.0,
        )

    def resolve(self, name: str) -> ModelSpec:
        if name == "broken":
            return self.broken
        spec = self.specs.get("a" if name == "A1" else name)
        if spec is None:
            raise errors.model_not_found(name, list(self.specs))
        return spec


def _spec(name: str) -> ModelSpec:
    aliases = ("A1",) if name == "a" else ()
    return ModelSpec(name=name, path=f"/m/{name}", source="omlx", weights_bytes=100, aliases=aliases)


def request(request_id: str, model: str = "a", text: str = "hello", **more: Any) -> GenerationRequest:
    return GenerationRequest(id=request_id, model=model, prompt=TextPrompt(text=text), **more)


class Reader:
    """Reads one request to its end, in a task of its own."""

    def __init__(self, pool: Pool, asked: GenerationRequest) -> None:
        self.events: list[Event] = []
        self.error: OmlxError | None = None
        self.task = asyncio.create_task(self._read(pool, asked))

    async def _read(self, pool: Pool, asked: GenerationRequest) -> None:
        try:
            async for event in pool.generate(asked):
                self.events.append(event)
        except OmlxError as error:
            self.error = error

    @property
    def failure(self) -> ErrorBody:
        """Why the request was refused, or failed."""
        if self.error is not None:
            assert not self.events
            return self.error.body
        [terminal] = self.terminals
        assert isinstance(terminal, Failed)
        return terminal.error

    @property
    def terminals(self) -> list[Event]:
        return [event for event in self.events if isinstance(event, Finished | Failed)]

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


async def until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds; a test that waits for 20 s fails."""
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)
