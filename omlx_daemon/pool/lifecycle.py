"""Brings slots up and down: single-flight loads, evictions, unloads, crashes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import msgspec

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.units import format_duration, parse_duration_s
from omlx_daemon.core import errors
from omlx_daemon.core.journal import Journal
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.pool import told
from omlx_daemon.pool.caching import Caches
from omlx_daemon.pool.control import MemoryControl
from omlx_daemon.pool.memory.probe import MemoryProbe
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.slot import Phase, Slot
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.weighing import Grant
from omlx_daemon.pool.worker import Worker
from omlx_daemon.pool.worker_process import Spawner
from omlx_daemon.wire.messages import Start

CRASHED_ROW_S = 600.0
"""How long a crashed model stays in `omlx ps`."""

_log = logging.getLogger(__name__)


class Lifecycle:
    """Owns the slots. Loads and unloads run as tasks, so that a caller that leaves stops neither."""

    def __init__(
        self,
        spawn: Spawner,
        settings: PoolSettings,
        memory: MemoryProbe,
        state: StateStore,
        is_pinned: Callable[[str], bool],
        clock: Callable[[], float],
        caches: Caches,
        options: Options,
        journal: Journal,
    ) -> None:
        self.slots: dict[str, Slot] = {}
        self.changed = asyncio.Event()
        """Set whenever an idle clock starts, or a slot goes."""
        self.closed = False
        """Set for good: no load begins any more."""
        self._spawn = spawn
        self._settings = settings
        self._is_pinned = is_pinned
        self._clock = clock
        self._caches = caches
        self._options = options
        self._journal = journal
        self.memory = MemoryControl(
            memory,
            settings,
            state,
            caches,
            self.slots.values,
            is_pinned,
            self._evict,
            self._make_way,
            clock,
            journal,
        )

    def find(self, name: str) -> Slot | None:
        """Return the slot that was asked for by `name` before, in whatever phase."""
        slot = self.slots.get(name)
        return slot or next((slot for slot in self.slots.values() if name in slot.names), None)

    def slot_for(self, spec: ModelSpec, name: str) -> Slot:
        """Return the slot of a model, made where it lacks one."""
        slot = self.slots.get(spec.name)
        if slot is None:
            slot = Slot(spec, self._ttl_s(spec), self._clock())
            self.slots[spec.name] = slot
        if not slot.is_live:
            slot.spec = spec
            slot.ttl_s = self._ttl_s(spec)
        slot.names |= {name, spec.name}
        return slot

    def configure(self, settings: PoolSettings) -> None:
        """Use these settings from now on; what a worker was started with stays until its model is loaded again."""
        self._settings = settings
        for slot in self.slots.values():
            slot.ttl_s = self._ttl_s(slot.spec)
            slot.names = {slot.name}
        self.changed.set()

    def lease(self, slot: Slot) -> None:
        """Keep the model in memory until `release`."""
        slot.leases += 1

    def release(self, slot: Slot) -> None:
        """End a lease; the last one starts the idle clock."""
        slot.leases -= 1
        slot.last_used_s = self._clock()
        if not slot.leases:
            self._drop_if_cold(slot)
            self.changed.set()

    def worker_of(self, slot: Slot) -> Worker | None:
        """Return the worker of a slot that is loaded."""
        return slot.worker if slot.phase is Phase.READY else None

    async def bring_up(self, slot: Slot, *, ignore_backoff: bool) -> Worker:
        """Return the worker of a leased slot, loading the model if need be. Raises OmlxError."""
        while slot.phase is not Phase.READY or slot.worker is None:
            if slot.phase is Phase.UNLOADING and slot.task is not None:
                await asyncio.shield(slot.task)
                continue
            if slot.phase is not Phase.LOADING or slot.task is None:
                self._begin_load(slot, ignore_backoff=ignore_backoff)
            await self._follow_load(slot)
        return slot.worker

    async def bring_down(self, slot: Slot, reason: ErrorBody) -> None:
        """Unload, or give up the load; return when the process is gone and its memory is returned."""
        if slot.phase is Phase.LOADING:
            slot.unwanted = reason
            if slot.worker is not None:
                slot.worker.kill(reason)
        elif slot.phase is Phase.READY:
            self._begin_unload(slot, reason)
        if slot.task is not None and slot.phase in (Phase.LOADING, Phase.UNLOADING):
            await asyncio.wait([slot.task])
        if slot.phase is Phase.CRASHED:
            slot.phase = Phase.COLD
            self._drop_if_cold(slot)

    async def close(self, reason: ErrorBody) -> None:
        """Bring every slot down and let none come up again."""
        self.closed = True
        await asyncio.gather(*(self.bring_down(slot, reason) for slot in self.slots.values()))

    async def kill(self, reason: ErrorBody) -> None:
        """Kill every worker that is left."""
        workers = [slot.worker for slot in self.slots.values() if slot.worker is not None]
        await asyncio.gather(*(worker.destroy(reason) for worker in workers))

    def expire(self) -> float | None:
        """Begin to unload what has been idle for too long; return the seconds until the next is due, if any."""
        now_s = self._clock()
        due_s: list[float] = []
        for slot in list(self.slots.values()):
            left_s = self._left_s(slot, now_s)
            if left_s > 0:
                due_s.append(left_s)
            elif slot.phase is Phase.CRASHED:
                del self.slots[slot.name]
            else:
                self._begin_unload(slot, _unloaded(slot, f": idle for {format_duration(slot.stay_s)}"))
        finite = [left_s for left_s in due_s if left_s < float("inf")]
        return min(finite) if finite else None

    def _left_s(self, slot: Slot, now_s: float) -> float:
        if slot.phase is Phase.CRASHED and not slot.leases:
            return slot.last_used_s + CRASHED_ROW_S - now_s
        return float("inf") if self._is_pinned(slot.name) else slot.idle_left_s(now_s)

    def _ttl_s(self, spec: ModelSpec) -> float:
        own = self._options.of(spec).ttl
        return parse_duration_s(own) if own else self._settings.ttl_s

    def _begin_load(self, slot: Slot, *, ignore_backoff: bool) -> None:
        if self.closed:
            raise errors.shutting_down()
        wait_s = slot.backoff.wait_s(self._clock())
        if wait_s and not ignore_backoff:
            raise _backing_off(slot, wait_s)
        slot.phase = Phase.LOADING
        slot.error = slot.unwanted = None
        slot.task = asyncio.create_task(self._load(slot))
        slot.task.add_done_callback(_note_outcome)

    async def _follow_load(self, slot: Slot) -> None:
        """Wait for the load under way, each waiter with an error of its own."""
        task = slot.task
        if task is None:
            return
        await asyncio.wait([task])
        error = task.exception()
        if isinstance(error, OmlxError):
            raise OmlxError.of(error.body)
        if error is not None:
            raise error

    async def _load(self, slot: Slot) -> None:
        try:
            grant = await self._make_room(slot)
            worker = await self._start_worker(slot, grant)
        except OmlxError as error:
            await self._give_up(slot, error.body)
            raise
        except Exception as error:
            bug = OmlxError(Code.INTERNAL, f"the load of {slot.name} failed unexpectedly", "see omlx logs")
            await self._give_up(slot, bug.body)
            raise bug from error
        slot.phase = Phase.READY
        slot.last_used_s = self._clock()
        self.memory.loaded(slot, grant)
        self.changed.set()
        load_s = worker.ready.load_s if worker.ready else 0.0
        _log.info("%s is loaded (worker %d, %.1f s)", slot.name, worker.pid, load_s)
        told.loaded(self._journal, slot.name, load_s, self.memory.size_bytes(slot))

    async def _make_room(self, slot: Slot) -> Grant:
        grant = await self.memory.make_room(slot)
        if slot.unwanted is not None or grant is None:
            raise OmlxError.of(slot.unwanted or _unloaded(slot))
        return grant

    async def _evict(self, slot: Slot) -> None:
        self._make_way(slot)
        if slot.task is not None:
            await asyncio.wait([slot.task])

    def _make_way(self, slot: Slot) -> None:
        self._begin_unload(slot, _unloaded(slot, " to make room in memory"))

    async def _start_worker(self, slot: Slot, grant: Grant) -> Worker:
        child = await self._spawn(slot.name)
        cache = await self._caches.open(slot.spec, grant.spare_bytes)
        worker = Worker(
            slot.name,
            child,
            clock=self._clock,
            cancel_s=self._settings.cancel_s,
            on_exit=lambda worker: self._on_exit(slot, worker),
            cache=cache,
        )
        slot.worker = worker
        if slot.unwanted is not None:
            worker.kill(slot.unwanted)
        settings = msgspec.structs.replace(
            self._settings.worker,
            memory_limit_bytes=grant.weights_limit_bytes,
            kv_limit_bytes=grant.kv_limit_bytes,
            context_limit_tokens=self._options.of(slot.spec).context_limit
            or self._settings.worker.context_limit_tokens,
        )
        spec = slot.spec
        start = Start(model=spec.name, path=spec.path, settings=settings, cache=cache.start, adapter=spec.adapter)
        await worker.start(start, self._settings.load_timeout_s)
        gone = slot.unwanted or worker.ended
        if gone is not None:
            raise OmlxError.of(gone)
        return worker

    async def _give_up(self, slot: Slot, error: ErrorBody) -> None:
        worker = slot.worker
        if worker is not None:
            await worker.destroy(error)
        slot.worker = None
        told.not_loaded(self._journal, slot.name, error, unwanted=slot.unwanted is not None)
        if slot.unwanted is not None or error.code in (Code.INSUFFICIENT_MEMORY, Code.MEMORY_BUSY):
            slot.phase = Phase.COLD
            self._drop_if_cold(slot)
            return
        _log.warning("%s was not loaded: %s", slot.name, error.message)
        slot.phase = Phase.CRASHED
        slot.error = error
        slot.last_used_s = self._clock()
        slot.backoff.failed(self._clock(), crashed=error.code is Code.WORKER_CRASHED)
        self.changed.set()

    def _begin_unload(self, slot: Slot, reason: ErrorBody) -> None:
        if slot.phase is Phase.READY and slot.worker is not None:
            slot.phase = Phase.UNLOADING
            slot.task = asyncio.create_task(self._unload(slot, slot.worker, reason))

    async def _unload(self, slot: Slot, worker: Worker, reason: ErrorBody) -> None:
        await worker.stop(self._settings.stop_s, reason)
        _log.info("%s is unloaded", slot.name)
        told.unloaded(self._journal, slot.name, reason)
        slot.worker = None
        slot.phase = Phase.COLD
        slot.kept_s = None
        self._drop_if_cold(slot)

    def _on_exit(self, slot: Slot, worker: Worker) -> None:
        """Take note of a loaded worker that died unasked."""
        if slot.phase is not Phase.READY or slot.worker is not worker or worker.ended is None:
            return
        _log.warning("%s", worker.ended.message)
        told.crashed(self._journal, slot.name, worker.ended)
        now_s = self._clock()
        slot.backoff.died(now_s, worker.life_s(), worker.answered)
        slot.worker = None
        slot.phase = Phase.CRASHED
        slot.error = worker.ended
        slot.last_used_s = now_s
        self.changed.set()

    def _drop_if_cold(self, slot: Slot) -> None:
        if slot.phase is Phase.COLD and not slot.leases and self.slots.get(slot.name) is slot:
            del self.slots[slot.name]
            self.changed.set()


def _note_outcome(task: asyncio.Task[None]) -> None:
    """Take the outcome of a load that every waiter has left; bugs are logged."""
    error = None if task.cancelled() else task.exception()
    if error is not None and error.__cause__ is not None:
        _log.error("a load failed unexpectedly", exc_info=error)


def _unloaded(slot: Slot, why: str = "") -> ErrorBody:
    return ErrorBody(code=Code.CANCELLED, message=f"{slot.name} was unloaded{why}")


def _backing_off(slot: Slot, wait_s: float) -> OmlxError:
    last = slot.error or ErrorBody(code=Code.WORKER_CRASHED, message=f"the worker of {slot.name} keeps crashing")
    return OmlxError(
        last.code,
        f"{last.message}; the next start is in {wait_s:.0f} s" if wait_s >= 1 else last.message,
        last.hint or f"omlx load {slot.name}  starts it at once",
        retry_after_s=wait_s,
    )
