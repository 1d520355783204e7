"""The pool: the daemon's side of inference, and of the models in memory."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, closing
from functools import partial

import msgspec

from omlx_cli.contract import storage
from omlx_cli.contract.api import LoadEstimate, MemoryStatus, RequestInfo, SlotInfo, StuckWorker
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core import errors
from omlx_daemon.core.events import Event, Failed, Loading
from omlx_daemon.core.journal import Journal, NoJournal
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.options import Options
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.pool import told
from omlx_daemon.pool.caching import Caches, NoCaches
from omlx_daemon.pool.defaults import completed
from omlx_daemon.pool.lifecycle import Lifecycle
from omlx_daemon.pool.live import LiveRequest, LiveRequests
from omlx_daemon.pool.memory.probe import MemoryProbe
from omlx_daemon.pool.settings import PoolSettings
from omlx_daemon.pool.slot import Phase, Slot
from omlx_daemon.pool.state import StateStore
from omlx_daemon.pool.stream import RequestStream
from omlx_daemon.pool.waiting import Wait
from omlx_daemon.pool.watchdog import Watchdog
from omlx_daemon.pool.worker import Worker
from omlx_daemon.pool.worker_process import Spawner

Heard = Callable[[GenerationRequest, str, Event], Event]
"""Takes a request, its model's name and an event of it; returns the event as it goes on."""

_log = logging.getLogger(__name__)


def as_it_is(request: GenerationRequest, model: str, event: Event) -> Event:
    """Return the event."""
    return event


class Pool:
    """Implements `core.ports.Inference`, `core.ports.Requests` and `core.ports.Slots`. Event loop only.

    `clock` is monotonic, `wall` the time of day, both in seconds. `publish` is handed the names of the models in
    memory when those may have changed, in a thread; `journal` is told what happens. `heard` sees each event before its
    reader does.
    """

    def __init__(
        self,
        resolve: Callable[[str], ModelSpec],
        spawn: Spawner,
        state: StateStore,
        settings: PoolSettings,
        memory: MemoryProbe,
        *,
        caches: Caches | None = None,
        options: Options | None = None,
        publish: Callable[[list[str]], None] = lambda names: None,
        journal: Journal | None = None,
        heard: Heard = as_it_is,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._resolve = resolve
        self._state = state
        self._settings = settings
        self._clock = clock
        self._wall = wall
        self._publish = publish
        self._options = options or Options()
        self._journal = journal or NoJournal()
        self._heard = heard
        self._lifecycle = Lifecycle(
            spawn,
            settings,
            memory,
            state,
            self._is_pinned,
            clock,
            caches or NoCaches(),
            self._options,
            self._journal,
        )
        self._live = LiveRequests(clock, self._journal)
        self._watchdog = Watchdog(self._workers, self._stuck_limits_s, clock, self._journal)
        self._draining = False
        self._hurry = asyncio.Event()

    async def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        """Yield the request's events, the last of them terminal; see `core.ports.Inference`."""
        slot = await self._lease(request.model)
        live = self._admit(slot, request)
        try:
            async with aclosing(self._events(slot, live)) as events:
                async for told in events:
                    event = self._heard(live.request, live.model, told)
                    live.note(event)
                    yield event
        finally:
            self._live.close(live)

    def requests(self) -> tuple[RequestInfo, ...]:
        """Return a row for each sequence, the oldest first; never waits."""
        return self._live.rows()

    def cancel(self, request_id: str) -> int:
        """End a request, all its sequences, with one typed error each; return how many there were."""
        return self._live.cancel(request_id)

    def rows(self) -> tuple[SlotInfo, ...]:
        """Return the rows of `omlx ps`, by name; never waits."""
        slots = [slot for slot in self._lifecycle.slots.values() if slot.phase is not Phase.COLD]
        return tuple(self._row(slot) for slot in sorted(slots, key=lambda slot: slot.name))

    async def load(self, name: str, ttl_s: float | None) -> SlotInfo:
        """Load a model and return its row when it is ready; None keeps the TTL. Raises OmlxError."""
        slot = await self._lease(name)
        try:
            await self._lifecycle.bring_up(slot, ignore_backoff=True)
            if ttl_s is not None:
                slot.kept_s = ttl_s
        finally:
            self._lifecycle.release(slot)
        return self._row(slot)

    async def unload(self, name: str, force: bool) -> None:
        """Unload a model; nothing to do where it is not loaded. Raises OmlxError."""
        slot = self._lifecycle.find(name)
        if slot is None:
            slot = self._lifecycle.find((await self._spec(name)).name)
        if slot is None or slot.phase is Phase.COLD:
            return
        if not force and slot.is_live:
            self._check_unloadable(slot)
        message = f"{slot.name} was unloaded by command"
        await self._lifecycle.bring_down(slot, ErrorBody(code=Code.CANCELLED, message=message))

    async def pin(self, name: str, pinned: bool) -> SlotInfo | None:
        """Pin or unpin a model, remembered across restarts; return its row if it is loaded. Raises OmlxError."""
        known = name
        if pinned or name not in self._state.pinned:
            spec = await self._spec(name)
            known = spec.name
            if not pinned and self._options.of(spec).pin:
                hint = f"omlx config set models.{self._options.key(spec)}.pin false"
                raise OmlxError(Code.PINNED, f"{known} is pinned in config.toml", hint)
        try:
            await self._state.pin(known, pinned)
        except OSError as error:
            raise OmlxError(
                Code.INTERNAL, f"the pin was not saved: {storage.reason(error)}", storage.advice(error)
            ) from error
        self._lifecycle.changed.set()
        slot = self._lifecycle.find(known)
        return self._row(slot) if slot is not None and slot.is_live else None

    @property
    def used_bytes(self) -> int:
        """What all workers hold together."""
        return self._lifecycle.memory.used_bytes

    @property
    def limit_bytes(self) -> int:
        """What all workers may hold together."""
        return self._lifecycle.memory.limit_bytes

    def memory(self) -> MemoryStatus:
        """Return the terms and the level of memory; never waits."""
        return self._lifecycle.memory.status()

    async def estimate(self, name: str) -> LoadEstimate:
        """Return what a load would take and whether it would fit; nothing is loaded. Raises OmlxError."""
        spec = await self._spec(name)
        slot = self._lifecycle.find(spec.name)
        found = self._lifecycle.memory.estimate(spec)
        if slot is None or not slot.is_live:
            return found
        return msgspec.structs.replace(found, fits=True, unloads=(), advice="", verdict=f"{spec.name} is in memory")

    def stuck(self) -> tuple[StuckWorker, ...]:
        """Return the workers that have work and have made no step for too long; never waits."""
        return self._watchdog.stuck()

    def look_at_memory(self) -> None:
        """Measure memory and act on it."""
        self._lifecycle.memory.look()

    def look_after(self) -> None:
        """End the workers that were stuck for too long."""
        self._watchdog.look()

    def configure(self, settings: PoolSettings) -> None:
        """Use these settings from now on; running workers keep what they were started with."""
        self._settings = settings
        self._lifecycle.memory.configure(settings)
        self._lifecycle.configure(settings)

    def expire(self) -> float | None:
        """Begin to unload what has been idle for too long; return the seconds until the next is due, if any."""
        return self._lifecycle.expire()

    async def run(self) -> None:
        """Load the pinned models, unload what expires and end what is stuck, until cancelled."""
        beside = [
            asyncio.create_task(work) for work in (self._preload(), self._watchdog.run(), self._lifecycle.memory.run())
        ]
        try:
            while True:
                self._lifecycle.changed.clear()
                names = sorted(slot.name for slot in self._lifecycle.slots.values() if slot.is_live)
                await asyncio.to_thread(self._publish, names)
                await _wait(self._lifecycle.changed, self.expire())
        finally:
            for task in beside:
                task.cancel()

    def drain(self) -> None:
        """Refuse new requests from now on; what runs goes on."""
        self._draining = True

    def hurry(self) -> None:
        """Have `close` wait for nothing more."""
        self._hurry.set()

    async def close(self, deadline_s: float) -> None:
        """Let requests finish within `deadline_s`, then end every worker; return when all are gone."""
        self.drain()
        hurry = asyncio.create_task(self._hurry.wait())
        finish = asyncio.create_task(self._finish_requests())
        await asyncio.wait([finish, hurry], timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        finish.cancel()
        reason = errors.shutting_down().body
        end = asyncio.create_task(self._lifecycle.close(reason))
        await asyncio.wait([end, hurry], return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        await self._lifecycle.kill(reason)
        await end
        try:
            await self._state.flush()
        except OSError as error:
            _log.warning("the state was not saved: %s", error)

    async def _lease(self, name: str) -> Slot:
        """Return the slot of a model with a lease on it. Raises OmlxError."""
        self._check_open()
        slot = self._lifecycle.find(name)
        if slot is None or not slot.is_live:
            spec = await self._spec(name)
            self._check_open()
            if spec.problem:
                message = f"{spec.name} cannot be loaded: {spec.problem}"
                raise OmlxError(Code.UNSUPPORTED_MODEL, message, spec.remedy, param="model")
            slot = self._lifecycle.slot_for(spec, name)
        self._lifecycle.lease(slot)
        return slot

    def _admit(self, slot: Slot, request: GenerationRequest) -> LiveRequest:
        """Take a leased request in. Raises OmlxError, the lease ended."""
        try:
            self._check_queue(slot)
            return self._live.open(completed(request, self._options.of(slot.spec)), slot.name)
        except OmlxError as error:
            self._lifecycle.release(slot)
            told.refused(self._journal, request.id, slot.name, error.body)
            raise

    async def _events(self, slot: Slot, live: LiveRequest) -> AsyncGenerator[Event, None]:
        """Yield a leased request's events, and see to the end of its lease."""
        stream, failure = None, Failed(error=errors.shutting_down().body)
        try:
            with closing(Wait(self._lifecycle, slot, live)) as wait:
                while isinstance(step := await wait.next(), Loading):
                    yield step
                await self._lifecycle.memory.enter(slot, lambda: not live.stopped.done())
                if live.stopped.done():
                    raise OmlxError.of(live.stopped.result())
                stream = self._submit(step, slot, live)
        except OmlxError as error:
            failure = Failed(error=error.body)
        finally:
            if stream is None:
                self._lifecycle.release(slot)
        if stream is None:
            yield failure
            return
        try:
            async for event in stream:
                yield event
        finally:
            stream.abandon()

    def _submit(self, worker: Worker, slot: Slot, live: LiveRequest) -> RequestStream:
        request = msgspec.structs.replace(live.request, deadline_s=live.left_s)
        stream = worker.submit(request)
        stream.on_end = partial(self._lifecycle.release, slot)
        live.follow(stream)
        if request.keep_alive_s is not None:
            slot.kept_s = request.keep_alive_s
        self._state.count_request()
        return stream

    def _stuck_limits_s(self) -> tuple[float, float]:
        return self._settings.stuck_s, self._settings.restart_s

    def _workers(self) -> list[Worker]:
        return [slot.worker for slot in self._lifecycle.slots.values() if slot.worker is not None]

    async def _spec(self, name: str) -> ModelSpec:
        return await asyncio.to_thread(self._resolve, name)

    def _is_pinned(self, name: str) -> bool:
        slot = self._lifecycle.slots.get(name)
        return name in self._state.pinned or (slot is not None and self._options.of(slot.spec).pin)

    def _row(self, slot: Slot) -> SlotInfo:
        return slot.row(
            self._clock(),
            self._wall(),
            pinned=self._is_pinned(slot.name),
            stuck=slot.worker is not None and self._watchdog.is_stuck(slot.worker),
            size_bytes=self._lifecycle.memory.size_bytes(slot) or slot.spec.weights_bytes,
        )

    def _check_open(self) -> None:
        if self._draining:
            raise errors.shutting_down()

    def _check_queue(self, slot: Slot) -> None:
        worker = self._settings.worker
        if slot.leases > worker.max_running + worker.max_queued:
            raise errors.queue_full(worker.max_queued)

    def _check_unloadable(self, slot: Slot) -> None:
        if self._is_pinned(slot.name):
            raise OmlxError(Code.PINNED, f"{slot.name} is pinned", f"omlx unpin {slot.name}  first, or use --force")
        if slot.leases:
            raise OmlxError(Code.IN_USE, f"{slot.name} is in use", "wait until it is idle, or use --force")

    async def _preload(self) -> None:
        """Load the pinned models one after the other: those of commands in their order, then those of the settings."""
        for name in dict.fromkeys((*self._state.pinned, *self._options.pinned())):
            try:
                await self.load(name, None)
            except OmlxError as error:
                _log.warning("pinned model %s was not loaded: %s", name, error)

    async def _finish_requests(self) -> None:
        while any(slot.leases for slot in self._lifecycle.slots.values()):
            self._lifecycle.changed.clear()
            await self._lifecycle.changed.wait()


async def _wait(event: asyncio.Event, timeout_s: float | None) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
