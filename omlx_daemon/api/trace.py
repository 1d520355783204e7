"""Every response names its request and the time it took; every request knows whether its client is still there."""

from __future__ import annotations

import time
from uuid import uuid4

from litestar.types import ASGIApp, HTTPReceiveMessage, Message, Receive, Scope, Send, WebSocketReceiveMessage

PREFIX = "req_"
_REPLY_PREFIXES = ("chatcmpl-", "cmpl-", "msg_", "resp_")


class Trace:
    """ASGI middleware: gives each request an id, and each response headers with the id and the time it took.

    `x-request-id` is where OpenAI's clients look for the id, `request-id` where Anthropic's do.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        started_s = time.monotonic()
        identity = PREFIX + uuid4().hex
        scope["state"]["request_id"] = identity

        async def send_traced(message: Message) -> None:
            if message["type"] == "http.response.start":
                spent_ms = round((time.monotonic() - started_s) * 1000)
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", identity.encode()),
                    (b"request-id", identity.encode()),
                    (b"openai-processing-ms", str(spent_ms).encode()),
                ]
            await send(message)

        async def receive_traced() -> HTTPReceiveMessage | WebSocketReceiveMessage:
            message = await receive()
            if message["type"] == "http.disconnect":
                scope["state"]["client_left"] = True
            return message

        await self._app(scope, receive_traced, send_traced)


def client_left(scope: Scope) -> bool:
    """Return whether the client has closed the connection, as far as anybody has looked."""
    return bool(scope["state"].get("client_left"))


def request_id(scope: Scope) -> str:
    """Return the id that `Trace` gave the request."""
    return str(scope["state"]["request_id"])


def request_of(reply_id: str) -> str:
    """Return the id of the request that a reply's id belongs to; any other id as it is."""
    for prefix in _REPLY_PREFIXES:
        if reply_id.startswith(prefix):
            return PREFIX + reply_id.removeprefix(prefix)
    return reply_id
