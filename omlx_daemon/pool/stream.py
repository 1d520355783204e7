"""The events of one request, from a worker's reader to one consumer."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from omlx_cli.contract.errors import Code, ErrorBody
from omlx_daemon.core.events import Event, Failed, Queued, Reasoning, Terminal, Text, ToolCall
from omlx_daemon.pool.joining import joined

BEHIND_EVENTS = 8
"""A reader that is further behind gets neighbouring pieces joined."""
MAX_PENDING_EVENTS = 256
MAX_PENDING_CHARACTERS = 1 << 20
_TOO_SLOW = ErrorBody(
    code=Code.CANCELLED, message="the answer was read too slowly and has been stopped", hint="read the stream faster"
)


class RequestStream:
    """A bounded queue that ends in exactly one terminal event, whatever the worker does.

    The producer's side (`push`, `fail`) never waits. A slow consumer gets neighbouring pieces joined; one that
    is hopelessly slow loses the request. `ended` is the worker's view, the consumer may be gone before.
    """

    def __init__(self, request_id: str, cancel: Callable[[RequestStream], None]) -> None:
        self.id = request_id
        self.ended = False
        self.running = False
        """Whether the request has left the queue for the engine."""
        self.on_end: Callable[[], None] = lambda: None
        """Called once, when the request has ended in its worker."""
        self._cancel = cancel
        self._events: deque[Event] = deque()
        self._reader: asyncio.Future[None] | None = None
        """Wakes who waits for the next event; there is one reader."""
        self._closed = False

    def push(self, event: Event) -> bool:
        """Take an event; False where it came after the end and was dropped."""
        if self.ended:
            return False
        self.running = self.running or not isinstance(event, Queued)
        if isinstance(event, Terminal):
            self.ended = True
            self._give(event)
            self.on_end()
        else:
            self._give(event)
        return True

    def fail(self, error: ErrorBody) -> None:
        """End the request with `error`, unless it has ended."""
        self.push(Failed(error=error))

    def stop(self, error: ErrorBody) -> None:
        """Give the consumer its end now, and cancel the request in its worker; nothing where it has ended."""
        if not self.ended and not self._closed:
            self._give(Failed(error=error))
            self._cancel(self)

    def abandon(self) -> None:
        """Tell that nobody reads on; cancels the request unless it has ended or is being cancelled."""
        cancel = not self.ended and not self._closed
        self._closed = True
        self._events.clear()
        if cancel:
            self._cancel(self)

    def __aiter__(self) -> RequestStream:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._reader = asyncio.get_running_loop().create_future()
            await self._reader
        if len(self._events) > BEHIND_EVENTS:
            self._events = deque(joined(self._events))
        return self._events.popleft()

    def _give(self, event: Event) -> None:
        if self._closed:
            return
        self._events.append(event)
        self._closed = isinstance(event, Terminal)
        if self._reader is not None:
            if not self._reader.done():
                self._reader.set_result(None)
            self._reader = None
        if len(self._events) >= MAX_PENDING_EVENTS and not self._closed:
            self._compact()

    def _compact(self) -> None:
        self._events = deque(joined(self._events))
        characters = sum(_characters(event) for event in self._events)
        if len(self._events) >= MAX_PENDING_EVENTS // 2 or characters > MAX_PENDING_CHARACTERS:
            self.stop(_TOO_SLOW)


def _characters(event: Event) -> int:
    match event:
        case Text() | Reasoning():
            return len(event.text)
        case ToolCall():
            return len(event.arguments)
        case _:
            return 0
