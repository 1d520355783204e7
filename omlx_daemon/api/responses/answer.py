"""Runs the generation of one response and writes what it yields, whole or as a stream."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.api import errors
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.generations import Events, doing, first_events, progress, raise_end, raise_failure, reuse_soon
from omlx_daemon.api.responses.convert import Job
from omlx_daemon.api.responses.events import StreamEvent
from omlx_daemon.api.responses.store import ResponseStore
from omlx_daemon.api.responses.turn import Turn
from omlx_daemon.api.reuse import reuse_of
from omlx_daemon.api.sse import EventStream, named_frame
from omlx_daemon.api.streaming import send_json
from omlx_daemon.core.events import Event, Finished, Loading
from omlx_daemon.core.ports import Inference

_ENCODER = msgspec.json.Encoder()


class Answer:
    """An ASGI app that answers one request.

    Nothing is sent before the sequence has yielded its first event, so that a refusal is an HTTP error; but for a
    stream's prompt that is too long, which is told in the stream, where clients look for it to compact. A stream whose
    model takes longer than `keep_alive_s` to load begins with comments. When the client leaves, the sequence is
    cancelled.
    """

    def __init__(self, inference: Inference, job: Job, store: ResponseStore, keep_alive_s: float) -> None:
        self._inference = inference
        self._job, self._store = job, store
        self._patience_s = keep_alive_s or math.inf
        self._numbers = itertools.count()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError before anything was sent."""
        try:
            async with Feed([self._inference.generate(self._job.request)], receive) as feed:
                if self._job.body.stream:
                    await self._stream(feed, scope, send)
                else:
                    await self._whole(feed, await first_events(feed, 1, math.inf), send)
        except ClientGone:
            return
        except OmlxError as error:
            raise OmlxError.of(self._job.reworded(error.body)) from error

    async def _whole(self, feed: Feed[Event], events: Events, send: Send) -> None:
        turn = Turn(self._job, self._store)
        while True:
            for _, event in events:
                raise_failure(event)
                turn.add(event)
            if end := _end(events):
                break
            raise_end(feed)
            events = await feed.batch()
        await send_json(send, _ENCODER.encode(turn.response), reuse_of([end.usage], 1).headers())

    async def _stream(self, feed: Feed[Event], scope: Scope, send: Send) -> None:
        out, turn = EventStream(send, self._patience_s, b"".join), Turn(self._job, self._store)
        try:
            events = await first_events(feed, 1, self._patience_s)
        except OmlxError as error:
            if error.body.code is not Code.CONTEXT_LENGTH_EXCEEDED:
                raise
            await out.start()
            await out.finish(self._encoded([*turn.opening(), turn.failed(self._job.reworded(error.body))]))
            return
        reuse = await reuse_soon(feed, events, 1, 1, self._patience_s)
        await out.start(reuse.headers() if reuse else ())
        out.doing = doing(events)
        try:
            await self._write(feed, events, turn, out)
        except ClientGone:
            raise
        except OmlxError as error:
            await out.finish(self._failed(turn, self._job.reworded(error.body)))
        except Exception as error:  # noqa: BLE001 - the status is sent: the error travels in the stream
            await out.finish(self._failed(turn, errors.internal(scope, error)))
        finally:
            out.close()

    async def _write(self, feed: Feed[Event], events: Events, turn: Turn, out: EventStream) -> None:
        await out.write(self._encoded(turn.opening()))
        if any(isinstance(event, Loading) for _, event in events):
            await out.sign_of_life()
        while True:
            made: list[StreamEvent] = []
            for _, event in events:
                if told := turn.add(event):
                    made += told
                else:
                    out.doing = progress(event) or out.doing
            if _end(events):
                break
            if made:
                await out.write(self._encoded(made))
            for _, event in events:
                raise_failure(event)
            raise_end(feed)
            events = await feed.batch()
        await out.finish(self._encoded(made))

    def _failed(self, turn: Turn, body: ErrorBody) -> list[bytes]:
        return self._encoded([turn.failed(body)])

    def _encoded(self, events: Iterable[StreamEvent]) -> list[bytes]:
        return [self._frame(msgspec.structs.replace(event, sequence_number=next(self._numbers))) for event in events]

    def _frame(self, event: StreamEvent) -> bytes:
        return named_frame(str(event.__struct_config__.tag), _ENCODER.encode(event))


def _end(events: Events) -> Finished | None:
    return next((event for _, event in events if isinstance(event, Finished)), None)
