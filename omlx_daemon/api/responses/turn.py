"""One response as it grows: its items, its state, and the events of its stream."""

from __future__ import annotations

import time

import msgspec
from msgspec import UNSET

from omlx_cli.contract.errors import ErrorBody
from omlx_daemon.api.responses import events as told
from omlx_daemon.api.responses.convert import Job, echoed
from omlx_daemon.api.responses.events import StreamEvent
from omlx_daemon.api.responses.output import OutputItems
from omlx_daemon.api.responses.replies import (
    Incomplete,
    InputDetails,
    OutputDetails,
    Response,
    ResponseFault,
    ResponseUsage,
    Status,
)
from omlx_daemon.api.responses.store import Kept, ResponseStore
from omlx_daemon.core.events import Event, Finished, FinishReason, Usage


class Turn:
    """Takes the events of one sequence. A response that is complete is kept in `store`, unless its client said no."""

    def __init__(self, job: Job, store: ResponseStore) -> None:
        self._job, self._store = job, store
        self._items = OutputItems(job.name, job.tools, seals=job.seals)
        self._began = int(time.time())
        self.response = self._now("in_progress")
        """It, as far as it is."""

    def opening(self) -> list[StreamEvent]:
        """Return what comes before the answer."""
        return [told.Created(response=self.response), told.InProgress(response=self.response)]

    def add(self, event: Event) -> list[StreamEvent]:
        """Take in one event and return what it adds; nothing where it says nothing about the answer."""
        return self._end(event) if isinstance(event, Finished) else self._items.add(event)

    def failed(self, body: ErrorBody) -> StreamEvent:
        """Return the event that ends the response with an error."""
        fault = ResponseFault(
            code=str(body.code), message=f"{body.message}; {body.hint}" if body.hint else body.message
        )
        self.response = msgspec.structs.replace(self._now("failed"), error=fault)
        return told.Failure(response=self.response)

    def _end(self, end: Finished) -> list[StreamEvent]:
        is_cut = end.reason is FinishReason.LENGTH
        status: Status = "incomplete" if is_cut else "completed"
        made = self._items.end(status)
        warnings = [*self._job.warnings, *end.warnings]
        self.response = msgspec.structs.replace(
            self._now(status),
            completed_at=None if is_cut else int(time.time()),
            incomplete_details=Incomplete(reason="max_output_tokens") if is_cut else None,
            usage=usage_reply(end.usage),
            warnings=warnings or UNSET,
        )
        if self._job.keeps:
            self._store.keep(self._job.owner, Kept(response=self.response, turns=self._job.turns()))
        return [*made, told.Cut(response=self.response) if is_cut else told.Completed(response=self.response)]

    def _now(self, status: Status) -> Response:
        output = list(self._items.items)
        return Response(id=self._job.id, created_at=self._began, status=status, output=output, **echoed(self._job.body))


def usage_reply(usage: Usage) -> ResponseUsage:
    """Return `usage` as this dialect tells it."""
    return ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=InputDetails(cached_tokens=usage.cached_tokens, cache_write_tokens=usage.stored_tokens),
        output_tokens=usage.completion_tokens,
        output_tokens_details=OutputDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
    )
