"""Who asks: the request's id, the client it counts for, and the class of its requests."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.types import Scope

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.keyring import Holder
from omlx_daemon.api.trace import request_id
from omlx_daemon.core.requests import Priority

CLIENT = b"x-omlx-client"
PRIORITY = b"x-omlx-priority"
WINDOW = b"x-omlx-client-window"
LOCAL = "local"
"""The client of whoever is on the unix socket and gives no name."""
MAX_NAME = 100
_MAX_WINDOW_DIGITS = 9
_NOBODY = Holder()


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """The origin of one HTTP request."""

    request_id: str
    peer: str = LOCAL
    """The address it came from."""
    name: str = ""
    """The name of its API key, else what it calls itself, else empty."""
    priority: Priority | None = None
    """The class that its header or its key names."""
    may_act: bool = False
    salt: str = ""
    """What sets the cached prefixes of its key apart from everybody else's."""
    window_tokens: int | None = None
    """The context that it believes every model has, 0 where it knows the true one; None where it does not say."""

    def salted(self, own: str | None) -> str:
        """Return the salt of a request that names a salt of its `own`, or none."""
        # The length keeps apart what would read the same when joined.
        return f"{len(self.salt)}:{self.salt}{own}" if self.salt and own else self.salt or own or ""

    def sees(self, client: str) -> bool:
        """Tell whether the requests of `client` are its own, or open to it."""
        return self.may_act or client == (self.name or self.peer)


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Return who sent `request`, which the guard let pass. Raises OmlxError(INVALID_REQUEST) for an odd header."""
    scope = request.scope
    holder = scope["state"].get("holder", _NOBODY)
    header = _header(scope, PRIORITY)
    return Caller(
        request_id=request_id(scope),
        peer=scope["client"][0] if scope["client"] else LOCAL,
        name=holder.name or _header(scope, CLIENT)[:MAX_NAME],
        priority=_class(header, holder),
        may_act=scope["state"]["may_act"],
        salt=holder.salt,
        window_tokens=_window_tokens(_header(scope, WINDOW)),
    )


def _class(header: str, holder: Holder) -> Priority | None:
    if header:
        return priority(header, PRIORITY.decode())
    return Priority(holder.priority) if holder.priority else None


def _window_tokens(header: str) -> int | None:
    if not header:
        return None
    if not (header.isascii() and header.isdecimal() and len(header) <= _MAX_WINDOW_DIGITS):
        where = WINDOW.decode()
        raise OmlxError(Code.INVALID_REQUEST, f"{where}: {header[:MAX_NAME]!r} is no number of tokens", param=where)
    return int(header)


def priority(value: str | int, where: str) -> Priority:
    """Return the class called `value`. Raises OmlxError(INVALID_REQUEST) that names the classes."""
    try:
        return Priority(str(value))
    except ValueError:
        message = f"{where}: {value!r} is none of {', '.join(Priority)}"
        raise OmlxError(Code.INVALID_REQUEST, message, param=where) from None


def _header(scope: Scope, name: bytes) -> str:
    found = next((value for key, value in scope["headers"] if key.lower() == name), b"")
    return "".join(letter for letter in found.decode("latin-1").strip() if letter.isprintable())
