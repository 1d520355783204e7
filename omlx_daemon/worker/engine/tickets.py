"""Who is being served: every request from its arrival to its one terminal event. Shared by all threads."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.errors import queue_full, shutting_down
from omlx_daemon.core.requests import GenerationRequest, Priority


@dataclass(slots=True, eq=False)
class Ticket:
    """One open request. Times are seconds of the engine's clock; `uid` is its number in this worker."""

    id: str
    uid: int
    arrived_s: float
    deadline_s: float = math.inf
    priority: Priority = Priority.NORMAL
    position: int = 0
    cancelled: bool = False
    in_engine: bool = False


class Tickets:
    """Opens, cancels and closes tickets, so that each request ends exactly once whichever thread ends it.

    Until `hand_over` any thread may end a ticket with `close`; afterwards the engine thread alone does.
    """

    def __init__(self, max_running: int, max_queued: int, clock: Callable[[], float]) -> None:
        self._max_open = max_running + max_queued
        self._max_running = max_running
        self._max_queued = max_queued
        self._clock = clock
        self._lock = Lock()
        self._open: dict[str, Ticket] = {}
        self._count = 0
        self._closing = False

    def __len__(self) -> int:
        return len(self._open)

    def open(self, request: GenerationRequest) -> Ticket:
        """Return a new ticket. Raises OmlxError (shutting down, queue full, an id that is open already)."""
        with self._lock:
            if self._closing:
                raise shutting_down()
            if request.id in self._open:
                raise OmlxError(Code.INVALID_REQUEST, f"request {request.id} is running already")
            if len(self._open) >= self._max_open:
                raise queue_full(self._max_queued)
            ticket = self._issue(request)
            self._open[request.id] = ticket
            return ticket

    def cancel(self, request_id: str) -> Ticket | None:
        """Mark a request as cancelled; return its ticket where the caller has to end it, else the engine will."""
        with self._lock:
            ticket = self._open.get(request_id)
            if ticket is None:
                return None
            ticket.cancelled = True
            if ticket.in_engine:
                return None
            del self._open[request_id]
            return ticket

    def hand_over(self, ticket: Ticket) -> bool:
        """Give a ticket to the engine; False where it has ended meanwhile."""
        with self._lock:
            if self._open.get(ticket.id) is not ticket:
                return False
            ticket.in_engine = True
            return True

    def close(self, ticket: Ticket) -> bool:
        """End a ticket; False where it has ended already."""
        with self._lock:
            if self._open.get(ticket.id) is not ticket:
                return False
            del self._open[ticket.id]
            return True

    def is_late(self, ticket: Ticket) -> bool:
        """Whether a ticket's deadline has passed; any thread may ask."""
        return self._clock() >= ticket.deadline_s

    def refuse(self) -> None:
        """Open no more tickets: the worker is stopping."""
        with self._lock:
            self._closing = True

    def end_all(self) -> list[Ticket]:
        """End every open ticket and return them."""
        with self._lock:
            ended = list(self._open.values())
            self._open.clear()
            return ended

    def _issue(self, request: GenerationRequest) -> Ticket:
        self._count += 1
        now_s = self._clock()
        return Ticket(
            id=request.id,
            uid=self._count,
            arrived_s=now_s,
            deadline_s=math.inf if request.deadline_s is None else now_s + request.deadline_s,
            priority=request.priority,
            position=max(0, len(self._open) - self._max_running),
        )
