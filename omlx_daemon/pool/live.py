"""The requests that are being worked on: what they wait for, and how they are ended from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from omlx_cli.contract.api import RequestInfo, RequestPhase
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.misses import MissInfo
from omlx_daemon.core import errors
from omlx_daemon.core.events import Event, Failed, Finished, Miss, Prefill, Queued, Reasoning, Terminal, Text, ToolCall
from omlx_daemon.core.journal import Journal
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.explain.advice import ADVICE
from omlx_daemon.pool import request_log, told
from omlx_daemon.pool.pace import Pace
from omlx_daemon.pool.stream import RequestStream

DEADLINE_GRACE_S = 2.0
"""A worker ends a request at its deadline by itself; so much later it is ended without it."""


class LiveRequest:
    """One request from its lease to its terminal event. Times are seconds of the pool's clock."""

    def __init__(self, request: GenerationRequest, model: str, clock: Callable[[], float]) -> None:
        self.request = request
        self.model = model
        self.stopped: asyncio.Future[ErrorBody] = asyncio.get_running_loop().create_future()
        """Why it is to end, once somebody wants that while it waits for its model."""
        self._clock = clock
        self._arrived_s = clock()
        self._stream: RequestStream | None = None
        self._phase = RequestPhase.LOADING
        self._prompt_tokens = self._prefilled_tokens = self._tokens = 0
        self._cached_hot_tokens = self._cached_cold_tokens = 0
        self._ttft_s: float | None = None
        self._miss: Miss | None = None
        self._pace = Pace(clock)
        self.terminal: Terminal | None = None
        """How it ended, once its reader has been told."""
        self._timer = self._end_after(request.deadline_s)

    @property
    def left_s(self) -> float | None:
        """Seconds until its deadline; None where it has none."""
        deadline_s = self.request.deadline_s
        return None if deadline_s is None else max(0.0, self._arrived_s + deadline_s - self._clock())

    def follow(self, stream: RequestStream) -> None:
        """Take note that its worker has it, which minds the deadline from now on."""
        self._stream = stream
        self._phase = RequestPhase.QUEUED
        self._cancel_timer()
        if self.left_s is not None:
            self._timer = self._end_after(self.left_s + DEADLINE_GRACE_S)

    def stop(self, error: ErrorBody) -> None:
        """End it with `error`, unless it has ended."""
        if self._stream is not None:
            self._stream.stop(error)
        elif not self.stopped.done():
            self.stopped.set_result(error)

    def note(self, event: Event) -> None:
        """Take an event's part in the row."""
        match event:
            case Text() | Reasoning() | ToolCall():
                self._tokens += len(event.token_ids) or 1
                if self._phase is not RequestPhase.DECODE:
                    self._begin_decode()
                self._pace.note(self._tokens)
            case Queued():
                self._prompt_tokens = event.prompt_tokens
            case Prefill():
                self._prefilled(event)
            case Finished() | Failed():
                self.terminal = event
            case _:
                pass

    def close(self) -> None:
        """Forget its deadline, and log how it ended."""
        self._cancel_timer()
        total_s = self._clock() - self._arrived_s
        request_log.ended(self.request.id, self.model, self.terminal, total_s, self._ttft_s)

    def row(self) -> RequestInfo:
        """Return its row in `omlx requests`."""
        return RequestInfo(
            id=self.request.id,
            model=self.model,
            client=self.request.client,
            phase=self._phase,
            priority=self.request.priority.value,
            age_s=round(self._clock() - self._arrived_s, 3),
            left_s=self.left_s,
            prompt_tokens=self._prompt_tokens,
            prefilled_tokens=self._prefilled_tokens,
            tokens=self._tokens,
            cached_hot_tokens=self._cached_hot_tokens,
            cached_cold_tokens=self._cached_cold_tokens,
            tokens_per_s=round(self._pace.per_s(), 1),
            ttft_s=self._ttft_s,
            miss=_shown(self._miss),
        )

    def _prefilled(self, event: Prefill) -> None:
        if self._phase is not RequestPhase.PREFILL:
            self._phase = RequestPhase.PREFILL
            self._pace.begin(event.done_tokens)
        self._prefilled_tokens, self._prompt_tokens = event.done_tokens, event.total_tokens
        self._cached_hot_tokens, self._cached_cold_tokens = event.cached_hot_tokens, event.cached_cold_tokens
        self._miss = event.miss or self._miss
        self._pace.note(event.done_tokens)

    def _begin_decode(self) -> None:
        self._phase = RequestPhase.DECODE
        self._ttft_s = round(self._clock() - self._arrived_s, 3)
        self._pace.begin(self._tokens)

    def _end_after(self, seconds: float | None) -> asyncio.TimerHandle | None:
        if seconds is None:
            return None
        return asyncio.get_running_loop().call_later(seconds, self.stop, errors.timed_out().body)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class LiveRequests:
    """Every request that has not ended, in order of arrival. Event loop only."""

    def __init__(self, clock: Callable[[], float], journal: Journal) -> None:
        self._clock = clock
        self._journal = journal
        self._requests: dict[str, LiveRequest] = {}

    def open(self, request: GenerationRequest, model: str) -> LiveRequest:
        """Take note of a request. Raises OmlxError where its id is taken."""
        if request.id in self._requests:
            raise OmlxError(Code.INVALID_REQUEST, f"a request {request.id!r} is running already")
        live = self._requests[request.id] = LiveRequest(request, model, self._clock)
        return live

    def close(self, live: LiveRequest) -> None:
        """Forget a request that has ended."""
        live.close()
        told.ended(self._journal, live.request.id, live.model, live.terminal)
        if self._requests.get(live.request.id) is live:
            del self._requests[live.request.id]

    def rows(self) -> tuple[RequestInfo, ...]:
        """Return the rows of `omlx requests`, the oldest first."""
        return tuple(live.row() for live in self._requests.values())

    def cancel(self, request_id: str) -> int:
        """End a sequence by its id, or all that belong to one request; return how many there were."""
        found = [live for own, live in self._requests.items() if own == request_id or _parent(own) == request_id]
        for live in found:
            live.stop(errors.cancelled_by_command().body)
        return len(found)


def _shown(miss: Miss | None) -> MissInfo | None:
    if miss is None or not miss.cause.is_miss:
        return None
    return MissInfo(cause=miss.cause, at_tokens=miss.at_tokens, detail=miss.detail, advice=ADVICE.get(miss.cause, ""))


def _parent(sequence_id: str) -> str:
    """Return the id of the request that a sequence belongs to: `req_1` of `req_1.0`."""
    return sequence_id.rpartition(".")[0]
