"""The daemon's events as they come, for as long as anybody wants them: a feed reconnects by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import msgspec
from httptools import HttpParserError, HttpResponseParser

from omlx_cli.client import error_of
from omlx_cli.contract import routes
from omlx_cli.contract.live import LiveEvent

RETRY_S = 0.5
SILENCE_S = 20.0
"""The daemon says something every few seconds; one that is silent for so long hangs, and is asked anew."""
_RECEIVE_BYTES = 1 << 16


class Down(msgspec.Struct, frozen=True):
    """Nobody answers, or does no longer; the feed goes on trying."""

    reason: str
    """In a few words, for people."""


class _Lost(Exception):
    """The stream broke off, or never began; says why."""


class Feed:
    """The events of the daemon on the unix socket at `socket_path`. Each stream's first is a `Snapshot`.

    `interval_s` is the least time between two changes; 0 leaves it to the daemon.
    """

    def __init__(self, socket_path: str, *, interval_s: float = 0.0, retry_s: float = RETRY_S) -> None:
        self._path = socket_path
        self._interval_s = interval_s
        self._retry_s = retry_s

    async def events(self) -> AsyncGenerator[LiveEvent | Down, None]:
        """Yield events for ever, and one `Down` whenever the daemon is lost, or not there to begin with."""
        told = ""
        while True:
            try:
                async with aclosing(self._stream()) as stream:
                    async for event in stream:
                        told = ""
                        yield event
            except _Lost as lost:
                if told != str(lost):
                    told = str(lost)
                    yield Down(told)
            await asyncio.sleep(self._retry_s)

    async def _stream(self) -> AsyncGenerator[LiveEvent, None]:
        """Yield one stream's events. Raises _Lost at its end, whatever ends it."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise _Lost("the daemon is not running") from error
        try:
            writer.write(self._head())
            response = _Response()
            while True:
                for line in response.lines():
                    yield _decoded(line)
                await _receive(reader, response)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    def _head(self) -> bytes:
        route = routes.EVENTS + (f"?interval={round(self._interval_s * 1000)}ms" if self._interval_s else "")
        return f"GET {route} HTTP/1.1\r\nHost: omlx\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()


class _Response:
    """One HTTP response in pieces; its other methods are httptools' callbacks."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.complete = False
        self._body = b""

    def lines(self) -> list[bytes]:
        """Return the lines that are whole, and were not returned yet. Raises _Lost where it is an error."""
        if self.parser.get_status_code() >= 400:
            if not self.complete:
                return []
            raise _Lost(str(error_of(self._body, self.parser.get_status_code())))
        *whole, self._body = self._body.split(b"\n")
        return whole

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """The body is whole."""
        self.complete = True


async def _receive(reader: asyncio.StreamReader, response: _Response) -> None:
    """Take what comes next. Raises _Lost where nothing does."""
    if response.complete:
        raise _Lost("the daemon has stopped")
    try:
        async with asyncio.timeout(SILENCE_S):
            data = await reader.read(_RECEIVE_BYTES)
    except TimeoutError as error:
        raise _Lost("the daemon does not answer") from error
    except OSError as error:
        raise _Lost("the daemon went away") from error
    if not data:
        raise _Lost("the daemon went away")
    try:
        response.parser.feed_data(data)
    except HttpParserError as error:
        raise _Lost("what answers is no omlx daemon") from error


def _decoded(line: bytes) -> LiveEvent:
    try:
        return _EVENTS.decode(line)
    except msgspec.DecodeError as error:
        raise _Lost("the daemon is of another version: omlx restart  starts this one") from error


_EVENTS: msgspec.json.Decoder[LiveEvent] = msgspec.json.Decoder(LiveEvent)
