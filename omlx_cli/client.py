"""The daemon as the commands see it: typed calls over the unix socket, every failure an OmlxError."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeVar

import msgspec

from omlx_cli import connection
from omlx_cli.connection import Exchange, Interrupted, Silent, Unreachable
from omlx_cli.contract import routes
from omlx_cli.contract.api import Health
from omlx_cli.contract.errors import MEANINGS, Code, ErrorBody, OmlxError

T = TypeVar("T")

ANSWER_TIMEOUT_S = 30.0
"""For calls that the daemon answers from memory; far beyond what a busy machine needs."""


class Client:
    """The daemon of one home. Every method raises OmlxError."""

    def __init__(self, socket_path: str) -> None:
        self._path = socket_path

    def health(self, timeout_s: float = ANSWER_TIMEOUT_S) -> Health | None:
        """Return who answers; None where nobody does. Raises OmlxError where it connects but says nothing."""
        try:
            with connection.send(self._path, _head("GET", routes.HEALTH), b"", timeout_s) as exchange:
                exchange.status()
                return _decode(exchange.body(), Health)
        except (Unreachable, Interrupted):
            return None
        except Silent as error:
            raise _silent() from error

    def get(self, route: str, kind: type[T], timeout_s: float = ANSWER_TIMEOUT_S) -> T:
        """Return the reply of `GET route`."""
        return _decode(self._call("GET", route, b"", timeout_s), kind)

    def text(self, route: str) -> str:
        """Return the reply of `GET route` as finished text."""
        return self._call("GET", route, b"", ANSWER_TIMEOUT_S, accept="text/plain").decode()

    def post(self, route: str, body: object, kind: type[T], timeout_s: float | None = ANSWER_TIMEOUT_S) -> T:
        """Return the reply of `POST route`; `timeout_s` None waits as long as the daemon lives."""
        return _decode(self._call("POST", route, msgspec.json.encode(body), timeout_s), kind)

    def delete(self, route: str, kind: type[T]) -> T:
        """Return the reply of `DELETE route`."""
        return _decode(self._call("DELETE", route, b"", ANSWER_TIMEOUT_S), kind)

    def lines(self, route: str, body: object, timeout_s: float | None = None) -> Iterator[bytes]:
        """Yield the lines of the streamed reply of `POST route`; closing the iterator hangs up.

        `timeout_s` bounds each wait for more of it; None waits as long as the daemon lives.
        """
        data = msgspec.json.encode(body)
        head = _head("POST", route, len(data), accept="*/*")
        with _Translated(), connection.send(self._path, head, data, timeout_s) as exchange:
            _check(exchange)
            yield from exchange.lines()

    def follow(self, route: str) -> Generator[bytes, None, None]:
        """Yield the lines of the endless reply of `GET route`; closing the generator hangs up."""
        with (
            _Translated(),
            connection.send(self._path, _head("GET", route, accept="*/*"), b"", ANSWER_TIMEOUT_S) as exchange,
        ):
            _check(exchange)
            yield from exchange.lines()

    def _call(
        self, method: str, route: str, data: bytes, timeout_s: float | None, accept: str = "application/json"
    ) -> bytes:
        head = _head(method, route, len(data), accept)
        with _Translated(), connection.send(self._path, head, data, timeout_s) as exchange:
            _check(exchange)
            return exchange.body()


class _Translated:
    """Turn what can go wrong with a connection into the errors that users see."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Unreachable):
            raise _unreachable(error) from error
        if isinstance(error, Silent):
            raise _silent() from error
        if isinstance(error, Interrupted):
            raise OmlxError(
                Code.DAEMON_UNREACHABLE, "the daemon went away before it had answered", "omlx logs  tells why"
            ) from error


def not_running() -> OmlxError:
    """Return the error for a daemon that is not there."""
    return OmlxError(Code.DAEMON_UNREACHABLE, "the daemon is not running", "omlx start  starts it")


def _unreachable(error: Unreachable) -> OmlxError:
    """Return the error for a daemon that does not run, or that may not be spoken to."""
    if isinstance(error.__cause__, PermissionError):
        from omlx_cli.contract import storage

        return storage.unusable(error.__cause__, f"cannot connect to {error}")
    return not_running()


def _silent() -> OmlxError:
    return OmlxError(
        Code.DAEMON_UNREACHABLE, "the daemon does not answer", "omlx logs  may tell why; omlx stop --force  ends it"
    )


def _head(method: str, route: str, length: int = 0, accept: str = "application/json") -> bytes:
    lines = [f"{method} {route} HTTP/1.1", "Host: omlx", f"Accept: {accept}", "Connection: close"]
    if method == "POST":
        lines += ["Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def _decode(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise OmlxError(
            Code.INTERNAL, f"the daemon's reply cannot be read: {error}", "omlx restart  starts the installed version"
        ) from error


def _check(exchange: Exchange) -> None:
    status = exchange.status()
    if status >= 400:
        raise error_of(exchange.body(), status)


class _Foreign(msgspec.Struct, frozen=True):
    message: str = ""
    code: str | None = ""
    hint: str = ""
    param: str | None = ""
    retry_after_s: float = 0.0


class _ForeignReply(msgspec.Struct, frozen=True):
    error: _Foreign


def error_of(data: bytes, status: int) -> OmlxError:
    """Return the error in the body of a reply or of a stream's event, in either shape the daemon writes."""
    try:
        found = msgspec.json.decode(data, type=_ForeignReply).error
    except msgspec.DecodeError:
        found = _Foreign(message=f"the daemon answered with HTTP {status}")
    body = ErrorBody(
        code=_code(found.code or "", status),
        message=found.message,
        hint=found.hint,
        param=found.param or "",
    )
    if found.retry_after_s:
        body = msgspec.structs.replace(body, retry_after_s=found.retry_after_s)
    return OmlxError.of(body)


def _code(text: str, status: int) -> Code:
    try:
        return Code(text)
    except ValueError:
        near = (code for code, meaning in MEANINGS.items() if meaning.http_status == status)
        return next(near, Code.INTERNAL)
