"""The daemon's side of one worker: handshake, requests, and an end that nobody misses."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

import msgspec

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.units import format_duration
from omlx_daemon.core import errors
from omlx_daemon.core.entries import about
from omlx_daemon.core.events import Event, Failed, Queued
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.pool.caching import CacheLink, NoLink
from omlx_daemon.pool.stream import RequestStream
from omlx_daemon.pool.worker_process import Child, describe_exit
from omlx_daemon.wire.frames import FrameError, pack, read
from omlx_daemon.wire.messages import (
    Cancel,
    Events,
    LimitKv,
    LoadFailed,
    LoadProgress,
    Note,
    Ready,
    Report,
    Start,
    Stop,
    Submit,
    Trim,
)

EXIT_GRACE_S = 2.0
"""How long a worker that closed its connection may take to end before it is killed."""
_FLUSH_SHARE = 0.8
"""Of the time a worker has to end, how much it may spend on what waits for the disk."""

_log = logging.getLogger(__name__)


class Worker:
    """Speaks with one child process. Every request submitted ends in exactly one terminal event.

    `on_exit` is called once, on the event loop, when the process is gone and its requests are failed.
    """

    def __init__(
        self,
        model: str,
        child: Child,
        *,
        clock: Callable[[], float],
        cancel_s: float,
        on_exit: Callable[[Worker], None],
        cache: CacheLink | None = None,
    ) -> None:
        self.model = model
        self.pid = child.pid
        self.progress = 0.0
        self.ready: Ready | None = None
        self.report = Report()
        self.reports = 0
        """How many reports there were."""
        self.answered = 0
        """Requests that ended with a terminal event of the worker's own."""
        self.ended: ErrorBody | None = None
        """Why the worker is gone, or None while it lives."""
        self._child = child
        self._clock = clock
        self._cancel_s = cancel_s
        self._on_exit = on_exit
        self._cache = cache or NoLink()
        self._cache.connect(child.pid, self._send)
        self._streams: dict[str, RequestStream] = {}
        self._forgotten: set[str] = set()
        """Requests that never ended here, though they were cancelled."""
        self._born_s = self._progress_s = clock()
        self._started: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self._reason: ErrorBody | None = None
        self._service = asyncio.create_task(self._serve())

    async def start(self, start: Start, timeout_s: float) -> Ready:
        """Have the model loaded. Raises OmlxError; the worker is being killed then."""
        self._send(start)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s if timeout_s < 1e9 else None):
                return await asyncio.shield(self._started)
        waited = format_duration(timeout_s)
        self.kill(
            ErrorBody(
                code=Code.LOAD_FAILED,
                message=f"{self.model} did not load within {waited}",
                hint="raise model.load_timeout in config.toml; omlx logs  shows what the worker said",
            )
        )
        return await self._started

    def life_s(self) -> float:
        """Return the seconds since the model was loaded, or since the start where it was not."""
        return self._clock() - self._born_s

    @property
    def queued(self) -> int:
        """Requests that wait for the engine."""
        return sum(not stream.running for stream in self._streams.values())

    @property
    def running(self) -> int:
        """Requests in the engine."""
        return len(self._streams) - self.queued

    def stalled_s(self) -> float:
        """Return for how long work has been pending without a step; 0 where there is none."""
        has_work = bool(self._streams or self._forgotten)
        return max(0.0, self._clock() - self._progress_s) if has_work else 0.0

    def forgive(self, seconds: float) -> None:
        """Leave out of account so much time, in which nobody could have heard of a step."""
        self._progress_s = min(self._clock(), self._progress_s + seconds)

    @property
    def oldest_request(self) -> str:
        """The id of the request that was submitted first of those that have not ended; empty where there is none."""
        return next(iter(self._forgotten or self._streams), "")

    def submit(self, request: GenerationRequest) -> RequestStream:
        """Send a request; its events arrive in the stream. Raises OmlxError where the worker is gone."""
        gone = self.ended or self._reason
        if gone is not None:
            raise OmlxError.of(gone)
        if request.id in self._streams:
            raise OmlxError(Code.INVALID_REQUEST, f"a request {request.id!r} is running already")
        if not (self._streams or self._forgotten):
            self._progress_s = self._clock()
        stream = RequestStream(request.id, self._cancel)
        self._streams[request.id] = stream
        self._send(Submit(request=request))
        return stream

    async def stop(self, deadline_s: float, reason: ErrorBody) -> None:
        """Fail what still runs with `reason`, have the worker flush and end within `deadline_s`, else kill it."""
        self._reason = self._reason or reason
        self._fail_streams(reason)
        self._send(Stop(flush_s=deadline_s * _FLUSH_SHARE))
        try:
            async with asyncio.timeout(deadline_s):
                await asyncio.shield(self._service)
        except TimeoutError:
            _log.warning(
                "the worker of %s (%d) did not end within %.1f s; killing it", self.model, self.pid, deadline_s
            )
            await self.destroy(reason)

    def tell(self, message: Trim | LimitKv) -> None:
        """Send what is about memory."""
        self._send(message)

    def kill(self, reason: ErrorBody) -> None:
        """Kill the process; its requests, and a load under way, fail with `reason`."""
        self._reason = self._reason or reason
        self._child.kill()

    async def destroy(self, reason: ErrorBody) -> None:
        """Kill the process and return when it is gone."""
        self.kill(reason)
        await asyncio.shield(self._service)

    def _send(self, message: msgspec.Struct) -> None:
        self._child.send(pack(message))

    def _cancel(self, stream: RequestStream) -> None:
        self._send(Cancel(id=stream.id))
        error = ErrorBody(code=Code.CANCELLED, message="the request was cancelled")
        asyncio.get_running_loop().call_later(self._cancel_s, self._forget, stream, error)

    def _forget(self, stream: RequestStream, error: ErrorBody) -> None:
        if self._streams.get(stream.id) is stream:
            del self._streams[stream.id]
            self._forgotten.add(stream.id)
            _log.warning("%s: the request ignored its cancellation", self.model, extra=about(stream.id))
            stream.fail(error)

    async def _serve(self) -> None:
        fault = ""
        decoder = msgspec.msgpack.Decoder(Note)
        try:
            while (note := await read(self._child.reader, decoder)) is not None:
                self._take(note)
        except FrameError as error:
            fault = f"it sent what is no message ({error})"
            self._child.kill()
        code = await self._wait_for_exit()
        self._child.close()
        self._finish(fault or describe_exit(code))

    async def _wait_for_exit(self) -> int:
        try:
            async with asyncio.timeout(EXIT_GRACE_S):
                return await self._child.wait()
        except TimeoutError:
            self._child.kill()
            return await self._child.wait()

    def _finish(self, detail: str) -> None:
        while_loading = "" if self.ready else ", while it loaded the model"
        self.ended = self._reason or errors.worker_crashed(self.model, detail + while_loading).body
        if not self._started.done():
            self._started.set_exception(OmlxError.of(self.ended))
            self._started.exception()
        self._fail_streams(self.ended)
        self._cache.close()
        self._on_exit(self)

    def _fail_streams(self, error: ErrorBody) -> None:
        streams = list(self._streams.values())
        self._streams.clear()
        for stream in streams:
            stream.fail(error)

    def _take(self, note: Note) -> None:
        match note:
            case Events():
                self._dispatch(note)
            case Report():
                if note.steps != self.report.steps:
                    self._stepped()
                self.report = note
                self.reports += 1
                if note.cache is not None:
                    self._cache.report(note.cache)
            case LoadProgress():
                self.progress = note.share
            case Ready():
                self.ready = note
                self.progress = 1.0
                self._born_s = self._clock()
                self._settle(note)
            case LoadFailed():
                self._reason = self._reason or note.error
                self._settle(OmlxError.of(note.error))
            case _:
                self._cache.take(note)

    def _stepped(self) -> None:
        self._progress_s = self._clock()
        self._forgotten.clear()

    def _settle(self, outcome: Ready | OmlxError) -> None:
        if self._started.done():
            return
        if isinstance(outcome, Ready):
            self._started.set_result(outcome)
        else:
            self._started.set_exception(outcome)
            self._started.exception()

    def _dispatch(self, events: Events) -> None:
        if any(_is_step(event) for _, event in events.items):
            self._stepped()
        for request_id, event in events.items:
            stream = self._streams.get(request_id)
            if stream is None:
                continue
            if stream.push(event) and stream.ended:
                self.answered += 1
                del self._streams[request_id]


def _is_step(event: Event) -> bool:
    """Tell whether only the engine says this; the rest is said by threads that live on beside a stuck one."""
    return not isinstance(event, Queued | Failed)
