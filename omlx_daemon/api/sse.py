"""Server-sent events: framing, and signs of life that keep a silent connection open."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence

from litestar.types import Send

from omlx_daemon.api.streaming import EVENT_STREAM_TYPE, Headers, ResponseWriter

DONE = b"[DONE]"
"""The payload that ends an OpenAI stream."""


def frame(payloads: Sequence[bytes]) -> bytes:
    """Return one `data:` event for each payload; a payload is one line."""
    return b"".join([b"data: %b\n\n" % payload for payload in payloads])


def named_frame(name: str, payload: bytes) -> bytes:
    """Return one event with a name; its payload is one line."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), payload)


def comment(text: str) -> bytes:
    """Return a comment, which clients skip."""
    return f": {text}\n\n".encode()


class EventStream:
    """One event stream being written. `keep_alive_s` is the longest silence; infinity and 0 are no limit.

    From `start` to `finish` or `close`, a silence that lasts too long is ended by what `sign` makes of `doing`.
    `framed` makes bytes of payloads.
    """

    def __init__(
        self,
        send: Send,
        keep_alive_s: float,
        framed: Callable[[Sequence[bytes]], bytes] = frame,
        sign: Callable[[str], bytes] = comment,
    ) -> None:
        self.doing = "waiting"
        self._framed, self._sign = framed, sign
        self._writer = ResponseWriter(send, f"{EVENT_STREAM_TYPE}; charset=utf-8")
        self._keep_alive_s = keep_alive_s or math.inf
        self._keeper: asyncio.Task[None] | None = None

    async def start(self, extra: Headers = ()) -> None:
        """Send the headers, the `extra` ones last."""
        await self._writer.start(extra)
        if not math.isinf(self._keep_alive_s):
            self._keeper = asyncio.create_task(self._keep_alive())

    async def write(self, payloads: Sequence[bytes]) -> None:
        """Send `payloads` as events, in one write."""
        await self._writer.write(self._framed(payloads))

    async def finish(self, payloads: Sequence[bytes] = ()) -> None:
        """Send the last events and end the response."""
        self.close()
        await self._writer.finish(self._framed(payloads))

    async def sign_of_life(self) -> None:
        """Say what it is `doing`."""
        await self._writer.write(self._sign(self.doing))

    def close(self) -> None:
        """Send nothing more."""
        if self._keeper is not None:
            self._keeper.cancel()

    async def _keep_alive(self) -> None:
        while True:
            left_s = self._keep_alive_s - self._writer.silence_s
            if left_s <= 0:
                await self.sign_of_life()
            else:
                await asyncio.sleep(left_s)
