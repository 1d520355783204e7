"""A response that is written piece by piece over ASGI."""

from __future__ import annotations

import time
from collections.abc import Sequence

from litestar.types import Send

EVENT_STREAM_TYPE = "text/event-stream"
JSON_TYPE = "application/json"

Headers = Sequence[tuple[bytes, bytes]]
"""Response headers as ASGI has them: names in lower case."""


class ResponseWriter:
    """Writes one response with status 200; `start` comes first, `finish` last."""

    def __init__(self, send: Send, media_type: str) -> None:
        self._send = send
        self._media_type = media_type
        self._written_s = time.monotonic()

    async def start(self, extra: Headers = ()) -> None:
        """Send the status and the headers, the `extra` ones last."""
        headers = [
            (b"content-type", self._media_type.encode()),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),
            *extra,
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, data: bytes) -> None:
        """Send a piece of the body at once."""
        self._written_s = time.monotonic()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self, data: bytes = b"") -> None:
        """Send the last piece of the body."""
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    @property
    def silence_s(self) -> float:
        """Seconds since the last write."""
        return time.monotonic() - self._written_s


async def send_json(send: Send, document: bytes, extra: Headers = ()) -> None:
    """Send `document` as one whole JSON response with status 200."""
    headers = [(b"content-type", JSON_TYPE.encode()), (b"content-length", str(len(document)).encode()), *extra]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": document, "more_body": False})


def joined_lines(documents: Sequence[bytes]) -> bytes:
    """Return JSON `documents` as lines."""
    return b"".join(document + b"\n" for document in documents)
