"""A machine of chosen size whose workers hold what the test says, and give back what they are asked for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_daemon.cache.shares import Holder, shares
from omlx_daemon.core import errors
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.caching import NoLink, Send
from omlx_daemon.pool.pool import Pool
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.worker_process import Child
from omlx_daemon.wire.cache import ResizeHot
from omlx_daemon.wire.messages import Command, LimitKv, Ready, Report, Start, Stop, Submit, Trim
from tests.notes import Notes
from tests.pool.doubles import FINISHED, Clock, FakeChild, FakeMemory, Reader, request

MB = 1 << 20
_LENGTH = struct.Struct("<I")
_COMMANDS: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)


class Worker(FakeChild):
    """A worker of `rest` bytes, with KV, a free pool and blocks in memory beside them."""

    def __init__(self, pid: int, name: str, memory: FakeMemory, rest: int, clock: Clock) -> None:
        super().__init__(pid, memory)
        self.name = name
        self.rest, self.kv, self.pool, self.hot = rest, 0, 0, 0
        self.kv_limit = self.kv_expected = 0
        self.hot_limit = 1 << 40
        self.silent = False
        """Whether it gives back nothing and tells nothing, as one in a long step."""
        self.stops = 0
        self.born_s = clock()
        """When its model was loaded."""
        self._clock = clock
        self._machine = memory

    def send(self, frame: bytes) -> None:
        command = _COMMANDS.decode(frame[_LENGTH.size :])
        match command:
            case Start():
                self.kv_limit = command.settings.kv_limit_bytes
            case LimitKv(kv_limit_bytes=limit):
                self.kv_limit = limit
            case Trim() if not self.silent:
                self.pool = 0
                self.report()
            case ResizeHot(capacity_bytes=capacity) if not self.silent:
                self.hot_limit, self.hot = capacity, min(self.hot, capacity)
                self.report()
            case Stop():
                self.stops += 1
            case _:
                pass
        super().send(frame)

    def become_ready(self) -> None:
        self.born_s = self._clock()
        self.note(Ready(weights_bytes=self.rest))
        self.report()

    @property
    def total(self) -> int:
        return self.rest + self.kv + self.pool + self.hot

    def report(self) -> None:
        """Hold what is said, and tell the daemon; one that still loads holds nothing yet and says nothing."""
        if not self.alive or not self.loads:
            return
        self._machine.hold(self.pid, self.total)
        tier = TierFigures(tier="hot", size_bytes=self.hot, capacity_bytes=self.hot_limit)
        self.note(
            Report(
                active_bytes=self.rest + self.kv + self.hot,
                cache_bytes=self.pool,
                kv_bytes=self.kv,
                kv_expected_bytes=self.kv_expected,
                peak_bytes=self.rest,
                cache=ModelCacheFigures(model=self.name, tiers=(tier,)),
            )
        )

    def grow_kv(self, size: int) -> None:
        """Take as much of `size` as the bound allows, as the engine would."""
        self.kv += max(0, min(size, self.kv_limit - self.kv))
        self.report()

    def grow_hot(self, size: int) -> None:
        self.hot = min(self.hot + size, self.hot_limit)
        self.report()

    def grow_pool(self, size: int) -> None:
        self.pool += size
        self.report()


class Link(NoLink):
    """One worker's blocks."""

    def __init__(self, caches: SharedCaches) -> None:
        self.send: Send = lambda command: None
        self.size_bytes = self.capacity_bytes = 0
        self._caches = caches

    def report(self, figures: ModelCacheFigures) -> None:
        self.size_bytes = sum(tier.size_bytes for tier in figures.tiers)

    def connect(self, pid: int, send: Send) -> None:
        self.send = send

    def close(self) -> None:
        if self in self._caches.links:
            self._caches.links.remove(self)


class SharedCaches:
    """One budget, shared out as the real one is among models that are asked alike."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.links: list[Link] = []
        self.budgets: list[int] = []

    @property
    def hot_budget_bytes(self) -> int:
        return min([self.total, *self.budgets[-1:]])

    def limit_hot(self, size_bytes: int, *, losing: bool = False) -> None:
        self.budgets.append(size_bytes)
        holders = [Holder(link.size_bytes, link.capacity_bytes, self.total) for link in self.links]
        for link, share in zip(self.links, shares(self.hot_budget_bytes, holders), strict=True):
            if share != link.capacity_bytes or link.size_bytes > share:
                link.capacity_bytes = share
                link.send(ResizeHot(capacity_bytes=share, keep_unsaved=True))

    async def open(self, spec: ModelSpec, room_bytes: int) -> Link:
        self.links.append(Link(self))
        return self.links[-1]


class Machine:
    """A pool on a machine of `total` bytes with models that take so many bytes each."""

    def __init__(
        self,
        home: Path,
        sizes: dict[str, int],
        *,
        total: int = 2000 * MB,
        limit: int = 1000 * MB,
        reserve: int = 200 * MB,
        hot: int = 200 * MB,
        kv: int = 0,
        min_residency_s: float = 0.0,
        patience_s: float = 0.05,
        device_cap: int = 0,
    ) -> None:
        self.clock = Clock()
        self.notes = Notes()
        self.memory = FakeMemory(total, kv=kv)
        self.memory.device_cap = device_cap
        self.caches = SharedCaches(hot)
        self.sizes = dict(sizes)
        self.estimates: dict[str, int] = {}
        """What a model's weights are taken for, where that is not what it takes."""
        self.workers: list[Worker] = []
        self.slow_loads = False
        self.state = StateStore(home / "state.json")
        self.settings = PoolSettings(
            memory_limit_bytes=limit,
            memory_reserve_bytes=reserve,
            memory_patience_s=patience_s,
            min_residency_s=min_residency_s,
            stop_s=5.0,
            cancel_s=5.0,
        )
        self.pool = Pool(
            self._resolve,
            self._spawn,
            self.state,
            self.settings,
            self.memory,
            caches=self.caches,
            journal=self.notes,
            clock=self.clock,
            wall=lambda: 1_700_000_000.0,
        )

    async def _spawn(self, name: str) -> Child:
        worker = Worker(100 + len(self.workers), name, self.memory, self.sizes[name], self.clock)
        worker.loads = not self.slow_loads
        self.workers.append(worker)
        return worker

    def _resolve(self, name: str) -> ModelSpec:
        if name not in self.sizes:
            raise errors.model_not_found(name, list(self.sizes))
        return ModelSpec(
            name=name, path=f"/m/{name}", source="omlx", weights_bytes=self.estimates.get(name, self.sizes[name])
        )

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.alive]

    @property
    def used(self) -> int:
        return sum(worker.total for worker in self.alive)

    def worker(self, name: str) -> Worker:
        """Return the worker of a model that is in memory."""
        return next(worker for worker in self.alive if worker.name == name)

    def ask(self, request_id: str, model: str) -> Reader:
        return Reader(self.pool, request(request_id, model))

    async def look(self, times: int = 1) -> None:
        """Let so many samples be taken, each after what was sent before has arrived."""
        for _ in range(times):
            await settle()
            self.clock.now_s += 0.5
            self.pool.look_at_memory()
        await settle()


async def settle() -> None:
    """Let everything that is under way arrive."""
    for _ in range(20):
        await asyncio.sleep(0)


async def answered(worker: Worker, request_id: str, reader: Reader) -> None:
    worker.say(request_id, FINISHED)
    await reader.task


def submitted(worker: Worker, request_id: str) -> bool:
    return any(isinstance(command, Submit) and command.request.id == request_id for command in worker.commands)


def with_machine(machine: Callable[[], Machine], test: Callable[[Machine], Awaitable[None]]) -> None:
    """Run a test and see that nothing is left."""

    async def main() -> None:
        made = machine()
        try:
            async with asyncio.timeout(60):
                await test(made)
        finally:
            await made.pool.close(0)
        assert not made.alive

    asyncio.run(main())
