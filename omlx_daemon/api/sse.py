"""Server-sent events: framing, and comments that keep a silent connection alive."""

from __future__ import annotations

import math
from collections.abc import Sequence

from litestar.types import Send

from omlx_daemon.api.streaming import EVENT_STREAM_TYPE, Headers, ResponseWriter

DONE = b"[DONE]"
"""The payload that ends an OpenAI stream."""


def frame(payloads: Sequence[bytes]) -> bytes:
    """Return one `data:` event for each payload; a payload is one line."""
    return b"".join(b"data: " + payload + b"\n\n" for payload in payloads)


def comment(text: str) -> bytes:
    """Return a comment, which clients skip."""
    return f": {text}\n\n".encode()


class EventStream:
    """One event stream being written. `keep_alive_s` is the longest silence; infinity and 0 are no limit."""

    def __init__(self, send: Send, keep_alive_s: float) -> None:
        self._writer = ResponseWriter(send, f"{EVENT_STREAM_TYPE}; charset=utf-8")
        self._keep_alive_s = keep_alive_s or math.inf

    async def start(self, extra: Headers = ()) -> None:
        """Send the headers, the `extra` ones last."""
        await self._writer.start(extra)

    async def write(self, payloads: Sequence[bytes]) -> None:
        """Send `payloads` as events, in one write."""
        await self._writer.write(frame(payloads))

    async def finish(self, payloads: Sequence[bytes] = ()) -> None:
        """Send the last events and end the response."""
        await self._writer.finish(frame(payloads))

    async def comment(self, text: str) -> None:
        """Send a comment."""
        await self._writer.write(comment(text))

    @property
    def patience_s(self) -> float | None:
        """Seconds until the silence is too long; None where it may last."""
        if math.isinf(self._keep_alive_s):
            return None
        return max(0.0, self._keep_alive_s - self._writer.silence_s)

    async def keep_alive(self, text: str) -> None:
        """Send a comment if the silence has lasted too long."""
        if self.patience_s == 0.0:
            await self._writer.write(comment(text))
