"""A port's events as JSON lines."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Generic, TypeVar

import msgspec
from litestar.types import Receive, Scope, Send

from omlx_cli.contract.errors import ErrorBody, OmlxError
from omlx_cli.contract.routes import STREAM_TYPE
from omlx_daemon.api import errors
from omlx_daemon.api.feed import ClientGone, Feed
from omlx_daemon.api.streaming import ResponseWriter, joined_lines

E = TypeVar("E", bound=msgspec.Struct)


class RecordStream(Generic[E]):
    """An ASGI app that follows `events`; the client's leaving ends its part in them.

    An error before the first event is an HTTP error, a later one the stream's last line, as `failed` words it.
    """

    def __init__(self, events: AsyncIterator[E], failed: Callable[[ErrorBody], msgspec.Struct]) -> None:
        self._events = events
        self._failed = failed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises OmlxError before anything was sent."""
        try:
            async with Feed([self._events], receive) as feed:
                await self._follow(feed, scope, send)
        except ClientGone:
            return

    async def _follow(self, feed: Feed[E], scope: Scope, send: Send) -> None:
        events = await feed.batch()
        writer = ResponseWriter(send, STREAM_TYPE)
        await writer.start()
        try:
            while True:
                await writer.write(joined_lines([msgspec.json.encode(event) for _, event in events]))
                if feed.ended:
                    break
                events = await feed.batch()
            await writer.finish()
        except ClientGone:
            raise
        except OmlxError as error:
            await writer.finish(self._last_line(error.body))
        except Exception as error:  # noqa: BLE001 - the status is sent: the error travels in the stream
            await writer.finish(self._last_line(errors.internal(scope, error)))

    def _last_line(self, body: ErrorBody) -> bytes:
        return joined_lines([msgspec.json.encode(self._failed(body))])
