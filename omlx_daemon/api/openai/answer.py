"""Runs the generations of one request and writes what they yield, whole or as a stream."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.api import errors
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.openai.convert import Job
from omlx_daemon.api.openai.reuse import Reuse, is_soon, reuse_of, reuse_so_far
from omlx_daemon.api.openai.stream import ChatChunks, Chunks, TextChunks
from omlx_daemon.api.openai.whole import Gathered, chat_completion, completion
from omlx_daemon.api.sse import DONE, EventStream
from omlx_daemon.api.streaming import send_json
from omlx_daemon.core.events import Event, Failed, Finished, Loading, Prefill, Queued
from omlx_daemon.core.ports import Inference

Events = list[tuple[int, Event]]

HEADER_PATIENCE_S = 1.0
"""How long a stream's header waits for the word of what the caches held. Text never waits for it."""


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
                await answer(feed, await _first_events(feed, len(streams), patience_s), scope, send)
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
                _raise_failure(event)
                gathered[index].add(event)
                left -= isinstance(event, Finished)
            if not left:
                break
            _raise_end(feed)
            events = await feed.batch()
        reply = self._dialect.whole(self._job, int(time.time()), gathered)
        reuse = reuse_of([one.usage for one in gathered], self._job.choices)
        await send_json(send, msgspec.json.encode(reply), reuse.headers())

    async def _stream(self, feed: Feed[Event], events: Events, scope: Scope, send: Send) -> None:
        chunks = self._dialect.chunks(self._job, int(time.time()))
        out = EventStream(send, self._keep_alive_s)
        reuse = await self._reuse(feed, events)
        await out.start(reuse.headers() if reuse else ())
        out.doing = _doing(events)
        if any(isinstance(event, Loading) for _, event in events):
            await out.comment()
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

    async def _reuse(self, feed: Feed[Event], events: Events) -> Reuse | None:
        """Return what the caches held, if it is known soon; `events` grows by what came meanwhile.

        A failure meanwhile is left to the next read of the feed.
        """
        count = len(self._job.requests)
        deadline_s = time.monotonic() + min(HEADER_PATIENCE_S, self._keep_alive_s or HEADER_PATIENCE_S)
        while True:
            reuse = reuse_so_far(events, count, self._job.choices)
            left_s = deadline_s - time.monotonic()
            if reuse or left_s <= 0 or feed.ended or not is_soon(events, count):
                return reuse
            try:
                events += await feed.batch(left_s)
            except ClientGone:
                raise
            except Exception:  # noqa: BLE001 - raised again where it is answered
                return None

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
                    out.doing = _progress(event) or out.doing
                left -= isinstance(event, Finished)
            if not left:
                break
            if payloads:
                await out.write(payloads)
            _raise_end(feed)
            payloads, events = [], await feed.batch()
        await out.finish([*payloads, *chunks.closing(), DONE])


async def _first_events(feed: Feed[Event], count: int, patience_s: float) -> Events:
    """Return the events up to the first one of each of `count` sequences that its worker says.

    Fewer after `patience_s`. Raises OmlxError for a refusal.
    """
    events: Events = []
    waiting = set(range(count))
    until_s = time.monotonic() + patience_s
    while waiting and (left_s := until_s - time.monotonic()) > 0:
        _raise_end(feed)
        for index, event in await feed.batch(None if math.isinf(left_s) else left_s):
            if index in waiting:
                _raise_failure(event)
            if not isinstance(event, Loading):
                waiting.discard(index)
            events.append((index, event))
    return events


def _doing(events: Events) -> str:
    return next((text for _, event in reversed(events) if (text := _progress(event))), "waiting")


def _raise_failure(event: Event) -> None:
    if isinstance(event, Failed):
        raise OmlxError.of(event.error)


def _raise_end(feed: Feed[Event]) -> None:
    if feed.ended:
        raise OmlxError(Code.GENERATION_FAILED, "the generation ended without a result")


def _progress(event: Event) -> str:
    match event:
        case Loading():
            return f"loading {event.share:.0%}"
        case Queued():
            return f"queued {event.position}"
        case Prefill():
            return f"prefill {event.done_tokens}/{event.total_tokens}"
        case _:
            return ""


def _error_payload(body: ErrorBody) -> bytes:
    return msgspec.json.encode(errors.openai_reply(body))
