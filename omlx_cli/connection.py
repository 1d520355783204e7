"""One HTTP exchange over the daemon's unix socket.

The parser is httptools and the socket the interpreter's own C module: the standard `http.client` pulls in
email and ssl, which alone would cost every light command half of its start-up budget.
"""

from __future__ import annotations

import _socket
from collections.abc import Iterator
from types import TracebackType

from httptools import HttpParserError, HttpResponseParser

_RECEIVE_BYTES = 65536


class Unreachable(Exception):
    """Nobody listens on the socket, whose path it names; its cause is the system's own error."""


class Interrupted(Exception):
    """The daemon closed the connection, or answered no HTTP, before its reply was complete."""


class Silent(Exception):
    """The daemon did not answer in time."""


class Exchange:
    """A request that was sent, and its response as it arrives. Close it to hang up."""

    def __init__(self, connection: _socket.socket) -> None:
        self._connection = connection
        self._response = _Response()
        self._parser = HttpResponseParser(self._response)

    def __enter__(self) -> Exchange:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; the daemon stops what it was doing for this request."""
        self._connection.close()

    @property
    def content_type(self) -> str:
        """The body's media type."""
        return self._response.content_type

    def status(self) -> int:
        """Return the HTTP status, waiting for it. Raises Interrupted, Silent."""
        while not self._response.headers_complete:
            self._receive()
        return self._parser.get_status_code()

    def body(self) -> bytes:
        """Return the whole body. Raises Interrupted, Silent."""
        return b"".join(self.chunks())

    def chunks(self) -> Iterator[bytes]:
        """Yield the body as it arrives. Raises Interrupted, Silent."""
        while True:
            yield from self._response.take()
            if self._response.complete:
                return
            self._receive()

    def lines(self) -> Iterator[bytes]:
        """Yield the body's lines as they arrive, without their ends. Raises Interrupted, Silent."""
        rest = b""
        for chunk in self.chunks():
            *whole, rest = (rest + chunk).split(b"\n")
            yield from whole
        if rest:
            yield rest

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_RECEIVE_BYTES)
        except TimeoutError as error:
            raise Silent from error
        except OSError as error:
            raise Interrupted from error
        if not data:
            raise Interrupted
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            raise Interrupted from error


class _Response:
    """What the parser has seen; its methods are httptools' callbacks."""

    def __init__(self) -> None:
        self.content_type = ""
        self.headers_complete = False
        self.complete = False
        self._pieces: list[bytes] = []

    def take(self) -> list[bytes]:
        """Return the pieces of the body that nobody has taken yet."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def on_header(self, name: bytes, value: bytes) -> None:
        """Remember the header that matters."""
        if name.lower() == b"content-type":
            self.content_type = value.decode("latin-1").partition(";")[0].strip().lower()

    def on_headers_complete(self) -> None:
        """The status is known from here."""
        self.headers_complete = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body."""
        self._pieces.append(body)

    def on_message_complete(self) -> None:
        """The body is whole."""
        self.complete = True


def send(path: str, head: bytes, body: bytes, timeout_s: float | None) -> Exchange:
    """Send one request to the unix socket at `path`; `timeout_s` bounds each wait for bytes.

    Raises Unreachable, Interrupted, Silent.
    """
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout_s)
        _connect(connection, path)
        _send_all(connection, head + body)
    except BaseException:
        connection.close()
        raise
    return Exchange(connection)


def _connect(connection: _socket.socket, path: str) -> None:
    try:
        connection.connect(path)
    except TimeoutError as error:
        raise Silent from error
    except OSError as error:
        raise Unreachable(path) from error


def _send_all(connection: _socket.socket, data: bytes) -> None:
    """Send `data`; a daemon that hung up early may still have said why, which is read later."""
    try:
        connection.sendall(data)
    except TimeoutError as error:
        raise Silent from error
    except ConnectionError:
        return
    except OSError as error:
        raise Interrupted from error
