"""Who may ask for what, decided before routing.

The unix socket is trusted: its file's permissions name its users. On TCP, loopback is no border, since any web page
can reach it. So the Host must be ours (DNS rebinding), a foreign Origin is refused, and a POST must say that it is
JSON, which a page cannot without asking first, and nobody answers that question: there is no CORS. Where there are API
keys, TCP needs one for everything but `/health`; an address that others can reach is closed without one. A key in the
URL is refused, since URLs end in logs and histories. The routes that act on the daemon are open over TCP to whoever
holds `server.api_key` or a key of the scope `control`, and to nobody else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.settings import ServerSettings
from omlx_daemon.api import errors
from omlx_daemon.api.keyring import HandedOut, Keyring

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with, never bound

_KEY_PARAMETERS = frozenset(
    {
        "key",
        "api_key",
        "api-key",
        "apikey",
        "x-api-key",
        "access_token",
        "auth_token",
        "token",
        "authorization",
        "bearer",
    }
)

Refusal = tuple[ErrorBody, int]
"""An error and its HTTP status; 0 is the code's own."""


class Guard:
    """ASGI middleware that refuses what must not reach a route; `current` gives the settings in use.

    It leaves in the request's state whether the caller `may_act`, and who it is by the key that it showed, as
    `holder`.
    """

    def __init__(
        self, app: ASGIApp, current: Callable[[], ServerSettings], handed_out: HandedOut | None = None
    ) -> None:
        self._app = app
        self._current = current
        self._handed_out = handed_out
        self._rules = _Rules(current(), handed_out)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if self._rules.settings is not self._current():
            self._rules = _Rules(self._current(), self._handed_out)
        scope["state"]["may_act"] = trusted = is_local(scope)
        refusal = None if trusted else self._rules.refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
            return
        body, status = refusal
        response = errors.response(scope, body, status, {"www-authenticate": "Bearer"} if status == 401 else None)
        request: Request[Any, Any, Any] = Request(scope, receive, send)
        await response.to_asgi_response(app=None, request=request)(scope, receive, send)


class _Rules:
    """What one version of the settings lets pass."""

    def __init__(self, settings: ServerSettings, handed_out: HandedOut | None) -> None:
        self.settings = settings
        self._keys = Keyring(settings, handed_out)
        self._is_closed = not _is_loopback(settings.host)
        bound = () if settings.host in _WILDCARDS else (settings.host,)
        self._hosts = LOOPBACK | {_host_name(host) for host in (*settings.allowed_hosts, *bound)}

    def refusal(self, scope: Scope) -> Refusal | None:
        """Return why a request over TCP is refused, None where it may pass."""
        return self._foreign(scope) or self._keyless(scope)

    def _foreign(self, scope: Scope) -> Refusal | None:
        hosts = _values(scope, b"host")
        if len(hosts) != 1 or _host_name(hosts[0]) not in self._hosts:
            return _forbidden("this host name is not allowed", "add it to server.allowed_hosts")
        if any(_origin_name(origin) not in self._hosts for origin in _values(scope, b"origin")):
            return _forbidden("requests from this origin are not allowed", "")
        if "cross-site" in _values(scope, b"sec-fetch-site"):
            return _forbidden("requests from other sites are not allowed", "")
        return None

    def _keyless(self, scope: Scope) -> Refusal | None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if any(name.lower() in _KEY_PARAMETERS for name, _ in query):
            hint = "send it as Authorization: Bearer KEY or as x-api-key"
            return ErrorBody(code=Code.INVALID_REQUEST, message="a key does not belong into the URL", hint=hint), 0
        holder = self._keys.holder(_keys(scope))
        if holder is not None:
            scope["state"]["holder"] = holder
            scope["state"]["may_act"] = holder.may_act
            return None
        if scope["path"] == routes.HEALTH or (self._keys.is_empty and not self._is_closed):
            return None
        body = ErrorBody(
            code=Code.UNAUTHORIZED,
            message="the API key is missing or wrong",
            hint="send it as Authorization: Bearer KEY or as x-api-key; omlx key create NAME  makes one",
        )
        return body, 401


def is_local(scope: Scope) -> bool:
    """Whether the request came over the unix socket.

    A TCP peer that has gone already has no address either, so the server's side must be a path, without a port.
    """
    server = scope.get("server")
    return scope["client"] is None and server is not None and server[1] is None


def owner_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse whoever is neither on the unix socket nor holds a key that may act. Raises OmlxError(FORBIDDEN)."""
    if not connection.scope["state"]["may_act"]:
        raise OmlxError(
            Code.FORBIDDEN,
            "this route acts on the daemon and is closed over TCP without a key of the scope control",
            "use the omlx command, or omlx key create NAME --scope control  and send that key",
        )


def json_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Refuse a POST over TCP whose body does not say it is JSON. Raises HTTPException(415)."""
    scope = connection.scope
    if scope.get("method") != "POST" or is_local(scope) or not _has_body(scope):
        return
    kinds = [value.partition(";")[0].strip().lower() for value in _values(scope, b"content-type")]
    if kinds != ["application/json"]:
        raise HTTPException(status_code=415, detail="the body must be application/json")


def _has_body(scope: Scope) -> bool:
    return _values(scope, b"content-length") not in ([], ["0"]) or bool(_values(scope, b"transfer-encoding"))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def _forbidden(message: str, hint: str) -> Refusal:
    return ErrorBody(code=Code.FORBIDDEN, message=message, hint=hint), 0


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


def _keys(scope: Scope) -> list[bytes]:
    bearers = [value.partition(" ") for value in _values(scope, b"authorization")]
    tokens = [token.strip() for scheme, _, token in bearers if scheme.lower() == "bearer"]
    return [key.encode("latin-1") for key in (*tokens, *_values(scope, b"x-api-key"))]


def _origin_name(origin: str) -> str:
    """Return the host name in an Origin header; an empty one for `null` and for what is no web origin."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or parts.path or parts.query or parts.fragment:
        return ""
    return _host_name(parts.netloc)


def _host_name(host: str) -> str:
    """Return `host` without port and brackets, in lower case; an empty name where it is malformed."""
    name, port = host, ""
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        port = rest.removeprefix(":") if bracket and rest[:1] in ("", ":") else "?"
    elif host.count(":") == 1:
        name, _, port = host.partition(":")
    return name.lower() if not port or (port.isascii() and port.isdigit()) else ""
