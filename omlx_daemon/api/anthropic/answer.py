"""Runs the generation of one message and writes what it yields, whole or as a stream."""

from __future__ import annotations

import math

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.api import errors
from omlx_daemon.api.anthropic.convert import Job
from omlx_daemon.api.anthropic.stream import MessageStream, error_event, framed, ping
from omlx_daemon.api.anthropic.usage import true_headers
from omlx_daemon.api.anthropic.whole import Gathering
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.generations import Events, first_events, raise_end, raise_failure, reuse_soon
from omlx_daemon.api.reuse import Reuse, reuse_of
from omlx_daemon.api.sse import EventStream
from omlx_daemon.api.streaming import send_json
from omlx_daemon.api.trace import request_id
from omlx_daemon.core.events import Event, Finished, Loading, Queued
from omlx_daemon.core.ports import Inference


class Answer:
    """An ASGI app that answers one request.

    Nothing is sent before the sequence has yielded its first event, so that a refusal is an HTTP error; a stream whose
    model takes longer than `keep_alive_s` to load begins with pings. When the client leaves, the sequence is cancelled.
    """

    def __init__(self, inference: Inference, job: Job, keep_alive_s: float) -> None:
        self._inference = inference
        self._job = job
        self._patience_s = keep_alive_s or math.inf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError before anything was sent."""
        try:
            async with Feed([self._inference.generate(self._job.request)], receive) as feed:
                if self._job.stream:
                    await self._stream(feed, await first_events(feed, 1, self._patience_s), scope, send)
                else:
                    await self._whole(feed, await first_events(feed, 1, math.inf), send)
        except ClientGone:
            return

    async def _whole(self, feed: Feed[Event], events: Events, send: Send) -> None:
        message = Gathering(self._job)
        while True:
            for _, event in events:
                raise_failure(event)
                message.add(event)
            if end := _end(events):
                break
            raise_end(feed)
            events = await feed.batch()
        usage = end.usage
        told = [*reuse_of([usage], 1).headers(), *true_headers(usage.prompt_tokens, usage.completion_tokens)]
        await send_json(send, msgspec.json.encode(message.message(end)), told)

    async def _stream(self, feed: Feed[Event], events: Events, scope: Scope, send: Send) -> None:
        out = EventStream(send, self._patience_s, framed, ping)
        reuse = await reuse_soon(feed, events, 1, 1, self._patience_s)
        prompt_tokens = _prompt_tokens(events)
        told = [] if prompt_tokens is None else true_headers(prompt_tokens)
        await out.start([*(reuse.headers() if reuse else ()), *told])
        try:
            await self._write(feed, events, reuse, out)
        except ClientGone:
            raise
        except OmlxError as error:
            await out.finish([error_event(error.body, request_id(scope))])
        except Exception as error:  # noqa: BLE001 - the status is sent: the error travels in the stream
            await out.finish([error_event(errors.internal(scope, error), request_id(scope))])
        finally:
            out.close()

    async def _write(self, feed: Feed[Event], events: Events, reuse: Reuse | None, out: EventStream) -> None:
        if any(isinstance(event, Loading) for _, event in events):
            await out.sign_of_life()
        stream, begun = MessageStream(self._job), False
        while True:
            pieces: list[bytes] = []
            if not begun and (prompt_tokens := _prompt_tokens(events)) is not None:
                pieces, begun = stream.opening(prompt_tokens, reuse), True
            for _, event in events:
                pieces += stream.events(event)
            if _end(events):
                break
            if pieces:
                await out.write(pieces)
            for _, event in events:
                raise_failure(event)
            raise_end(feed)
            events = await feed.batch()
        await out.finish(pieces)


def _end(events: Events) -> Finished | None:
    return next((event for _, event in events if isinstance(event, Finished)), None)


def _prompt_tokens(events: Events) -> int | None:
    """Return how long the prompt is; None before its worker has told."""
    return next((event.prompt_tokens for _, event in events if isinstance(event, Queued)), None)
