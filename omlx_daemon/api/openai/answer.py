"""Runs the generations of one request and writes what they yield, whole or as a stream."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_cli.contract.errors import ErrorBody, OmlxError
from omlx_daemon.api import errors
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.generations import Events, doing, first_events, progress, raise_end, raise_failure, reuse_soon
from omlx_daemon.api.openai.convert import Job
from omlx_daemon.api.openai.stream import ChatChunks, Chunks, TextChunks
from omlx_daemon.api.openai.whole import Gathered, chat_completion, completion
from omlx_daemon.api.reuse import reuse_of
from omlx_daemon.api.sse import DONE, EventStream
from omlx_daemon.api.streaming import send_json
from omlx_daemon.core.events import Event, Failed, Finished, Loading
from omlx_daemon.core.ports import Inference


class Dialect(NamedTuple):
    """How one route words its answers."""

    whole: Callable[[Job, int, list[Gathered]], msgspec.Struct]
    chunks: Callable[[Job, int], Chunks]
    prompt_field: str
    """What the body calls the prompt, which the core calls `messages`."""


CHAT = Dialect(chat_completion, ChatChunks, "messages")
TEXT = Dialect(completion, TextChunks, "prompt")


class Answer:
    """An ASGI app that answers one request.

    Nothing is sent before every sequence has yielded its first event, so that a refusal is an HTTP error; a stream
    whose model takes longer than `keep_alive_s` to load begins with comments. When the client leaves, every sequence
    is cancelled.
    """

    def __init__(self, inference: Inference, job: Job, dialect: Dialect, keep_alive_s: float) -> None:
        self._inference = inference
        self._job = job
        self._dialect = dialect
        self._keep_alive_s = keep_alive_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError before anything was sent."""
        streams = [self._inference.generate(request) for request in self._job.requests]
        try:
            async with Feed(streams, receive) as feed:
                answer = self._stream if self._job.stream else self._whole
                patience_s = (self._keep_alive_s or math.inf) if self._job.stream else math.inf
                await answer(feed, await first_events(feed, len(streams), patience_s), scope, send)
        except ClientGone:
            return
        except OmlxError as error:
            raise OmlxError.of(self._reworded(error.body)) from error

    def _reworded(self, body: ErrorBody) -> ErrorBody:
        """Return `body` with the prompt under this dialect's name."""
        return msgspec.structs.replace(body, param=self._dialect.prompt_field) if body.param == "messages" else body

    async def _whole(self, feed: Feed[Event], events: Events, scope: Scope, send: Send) -> None:
        gathered = [Gathered() for _ in self._job.requests]
        left = len(gathered)
        while True:
            for index, event in events:
                raise_failure(event)
                gathered[index].add(event)
                left -= isinstance(event, Finished)
            if not left:
                break
            raise_end(feed)
            events = await feed.batch()
        reply = self._dialect.whole(self._job, int(time.time()), gathered)
        reuse = reuse_of([one.usage for one in gathered], self._job.choices)
        await send_json(send, msgspec.json.encode(reply), reuse.headers())

    async def _stream(self, feed: Feed[Event], events: Events, scope: Scope, send: Send) -> None:
        chunks = self._dialect.chunks(self._job, int(time.time()))
        out = EventStream(send, self._keep_alive_s)
        patience_s = self._keep_alive_s or math.inf
        reuse = await reuse_soon(feed, events, len(self._job.requests), self._job.choices, patience_s)
        await out.start(reuse.headers() if reuse else ())
        out.doing = doing(events)
        if any(isinstance(event, Loading) for _, event in events):
            await out.sign_of_life()
        try:
            await self._write(feed, events, chunks, out)
        except ClientGone:
            raise
        except OmlxError as error:
            await out.finish([_error_payload(self._reworded(error.body))])
        except Exception as error:  # noqa: BLE001 - the status is sent: the error travels in the stream
            await out.finish([_error_payload(errors.internal(scope, error))])
        finally:
            out.close()

    async def _write(self, feed: Feed[Event], events: Events, chunks: Chunks, out: EventStream) -> None:
        payloads = chunks.opening()
        left = len(self._job.requests)
        while True:
            for index, event in events:
                if isinstance(event, Failed):
                    await out.write(payloads)
                    raise OmlxError.of(event.error)
                if made := chunks.chunks(index, event):
                    payloads += made
                else:
                    out.doing = progress(event) or out.doing
                left -= isinstance(event, Finished)
            if not left:
                break
            if payloads:
                await out.write(payloads)
            raise_end(feed)
            payloads, events = [], await feed.batch()
        await out.finish([*payloads, *chunks.closing(), DONE])


def _error_payload(body: ErrorBody) -> bytes:
    return msgspec.json.encode(errors.openai_reply(body))
