"""The tokenising stage: one thread that makes sequences of requests, so that the engine never waits for text."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_daemon.core.entries import about
from omlx_daemon.core.errors import timed_out
from omlx_daemon.core.events import Event, Failed, Finished, FinishReason, Queued, Usage
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Ticket, Tickets
from omlx_daemon.worker.explain.history import History
from omlx_daemon.worker.explain.witness import Witness

log = logging.getLogger(__name__)


Coming = tuple[Ticket, GenerationRequest]


class Intake:
    """Takes requests from the first moment; works on them once `start` gives it the model's tokenizer."""

    def __init__(self, tickets: Tickets, tell: Callable[[str, Event], None], admit: Callable[[Sequence], None]) -> None:
        self._tickets = tickets
        self._tell = tell
        self._admit = admit
        self._requests: SimpleQueue[Coming] = SimpleQueue()
        self._history: History | None = None
        self._came = 0
        self._prepared = 0

    @property
    def busy(self) -> bool:
        """Whether a request is here whose work is not done; any thread may ask."""
        return self._came != self._prepared

    def submit(self, request: GenerationRequest) -> None:
        """Queue a request, or refuse it at once; any thread may."""
        try:
            ticket = self._tickets.open(request)
        except OmlxError as error:
            self._tell(request.id, Failed(error=error.body))
            return
        self._came += 1
        self._requests.put((ticket, request))

    def start(self, preparer: Preparer) -> None:
        """Begin to work."""
        self._history = History(preparer.encoder.decode)
        Thread(target=self._work, args=(preparer,), name="intake", daemon=True).start()

    def _work(self, preparer: Preparer) -> None:
        line: deque[Coming] = deque()
        while True:
            if not line:
                line.append(self._requests.get())
            with suppress(Empty):
                while True:
                    line.append(self._requests.get_nowait())
            line = self._still_wanted(line)
            if line:
                self._prepare(preparer, *line.popleft())

    def _still_wanted(self, line: deque[Coming]) -> deque[Coming]:
        """Return those whose time is not over; the others end here, however many stand before them."""
        wanted = deque[Coming]()
        for ticket, request in line:
            is_late = self._tickets.is_late(ticket)
            if is_late:
                self._refuse(ticket, timed_out().body)
            if is_late or ticket.cancelled:
                self._prepared += 1
            else:
                wanted.append((ticket, request))
        return wanted

    def _prepare(self, preparer: Preparer, ticket: Ticket, request: GenerationRequest) -> None:
        prepared = _prepared(preparer, ticket, request)
        if isinstance(prepared, Sequence) and not prepared.answers_nothing:
            prepared.witness = self._witness(request, prepared)
        # Counted before it is handed over, so that the engine does not wait for the one it is given.
        self._prepared += 1
        if isinstance(prepared, Sequence):
            self._hand_over(ticket, prepared)
        elif isinstance(prepared, int):
            self._tell_count(ticket, prepared)
        else:
            self._refuse(ticket, prepared)

    def _witness(self, request: GenerationRequest, sequence: Sequence) -> Witness | None:
        """Compare a prompt with those before it; what goes wrong there harms no request."""
        if self._history is None:
            return None
        try:
            record, kin = self._history.meet(request, sequence.prompt)
            record.saying = sequence.said
        except Exception:
            log.exception("comparing a prompt failed", extra=about(request.id))
            return None
        return Witness(record, kin, self._history.decode)

    def _hand_over(self, ticket: Ticket, sequence: Sequence) -> None:
        if self._tickets.hand_over(ticket):
            self._tell(
                ticket.id, Queued(position=ticket.position, prompt_tokens=len(sequence.prompt), rules=sequence.rules)
            )
            self._admit(sequence)

    def _tell_count(self, ticket: Ticket, prompt_tokens: int) -> None:
        if self._tickets.close(ticket):
            self._tell(ticket.id, Queued(prompt_tokens=prompt_tokens))
            self._tell(ticket.id, Finished(reason=FinishReason.STOP, usage=Usage(prompt_tokens=prompt_tokens)))

    def _refuse(self, ticket: Ticket, error: ErrorBody) -> None:
        if self._tickets.close(ticket):
            self._tell(ticket.id, Failed(error=error))


def _prepared(preparer: Preparer, ticket: Ticket, request: GenerationRequest) -> Sequence | int | ErrorBody:
    """Return the sequence of a request; the length of its prompt where no more is wanted; why it is refused."""
    try:
        return preparer.count(request) if request.count_only else preparer.prepare(ticket, request)
    except OmlxError as error:
        return error.body
    except Exception as error:
        log.exception("preparing a request failed", extra=about(request.id))
        return ErrorBody(code=Code.INTERNAL, message=f"the request cannot be prepared: {type(error).__name__}")
