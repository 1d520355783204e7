"""Completes what workers tell of misses, and remembers it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import msgspec

from omlx_cli.contract.explain import ExplainReply, Explanation
from omlx_cli.contract.misses import MissCause
from omlx_daemon.core.events import Event, Finished, Miss, Prefill, Queued
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.explain.advice import ADVICE, MEANINGS
from omlx_daemon.explain.book import Book, Entry
from omlx_daemon.explain.graves import Graves
from omlx_daemon.explain.past import Past

_MAY_BE_GONE = frozenset(
    {MissCause.NONE, MissCause.NEW_PROMPT, MissCause.EVICTED, MissCause.NOT_STORED, MissCause.NOT_COMMITTED}
)
"""What a worker says that does not know of a block, or not why it went."""


class Explainer:
    """Hears the events of requests. Event loop only."""

    def __init__(
        self, wall: Callable[[], float], applied: Callable[[Iterable[str]], None] = lambda names: None
    ) -> None:
        """Explain; `wall` gives the time of day in seconds, `applied` hears which prompt rules a worker applied."""
        self._applied = applied
        self.graves = Graves()
        self.past = Past()
        self._book = Book()
        self._wall = wall

    def heard(self, request: GenerationRequest, model: str, event: Event) -> Event:
        """Return an event of a request, its miss completed where it tells of one."""
        if isinstance(event, Queued):
            self._applied(event.rules)
        if isinstance(event, Prefill) and event.miss is not None:
            miss = self._completed(request, model, event, event.miss)
            self._book.write(Entry(explanation=self._explanation(request, model, event, miss), is_own=miss.is_own))
            return msgspec.structs.replace(event, miss=miss)
        if isinstance(event, Finished) and event.usage.miss is not None:
            return self._with_miss(request, event, event.usage.miss)
        return event

    def explain(self, request_id: str, sees: Callable[[str], bool], *, reads: bool, may_act: bool) -> ExplainReply:
        """Return why a request was not reused further, or the last miss, of those clients that `sees` allows.

        Texts are given where the caller `reads` its own, those that are not surely its own where it `may_act`.
        Raises OmlxError(NOT_FOUND).
        """
        entry = self._book.find(request_id, sees) if request_id else self._book.last_miss(sees)
        found = entry.explanation if entry else None
        if entry and found and not (may_act or (reads and entry.is_own)):
            found = msgspec.structs.replace(found, before="", now="", earlier="")
        return ExplainReply(explanation=found, requests=self._book.count(sees))

    def _completed(self, request: GenerationRequest, model: str, event: Prefill, miss: Miss) -> Miss:
        change = self.past.change(request, model)
        # What was computed of the prompt and might not have been, where nobody knows how far the stored part went.
        left_tokens = max(miss.avoidable_tokens, event.total_tokens - 1 - miss.at_tokens)
        if miss.cause is MissCause.NEW_PROMPT and change is not None:
            return Miss(cause=MissCause.TEMPLATE_CHANGED, detail=change, avoidable_tokens=left_tokens)
        why = self.graves.why(miss.block) if miss.cause in _MAY_BE_GONE else None
        if why is not None:
            cause, detail = why
            avoidable = miss.avoidable_tokens or left_tokens
            return msgspec.structs.replace(miss, cause=cause, detail=detail, avoidable_tokens=avoidable)
        if miss.cause is MissCause.EVICTED:
            return msgspec.structs.replace(miss, detail="from RAM, and it lay on no disk")
        return miss

    def _with_miss(self, request: GenerationRequest, event: Finished, miss: Miss) -> Finished:
        entry = self._book.of(request.id)
        if entry is None:
            return event
        told = entry.explanation
        after = msgspec.structs.replace(
            miss,
            cause=told.cause,
            detail=told.detail,
            at_tokens=told.at_tokens,
            avoidable_tokens=told.avoidable_tokens,
        )
        return msgspec.structs.replace(event, usage=msgspec.structs.replace(event.usage, miss=after))

    def _explanation(self, request: GenerationRequest, model: str, event: Prefill, miss: Miss) -> Explanation:
        reused = event.cached_hot_tokens + event.cached_cold_tokens
        return Explanation(
            request=request.id,
            model=model,
            client=request.client,
            at=datetime.fromtimestamp(self._wall(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            prompt_tokens=event.total_tokens,
            cached_hot_tokens=event.cached_hot_tokens,
            cached_cold_tokens=event.cached_cold_tokens,
            recomputed_tokens=event.total_tokens - reused,
            cause=miss.cause,
            meaning=MEANINGS[miss.cause],
            detail=miss.detail,
            advice=ADVICE.get(miss.cause, ""),
            at_tokens=miss.at_tokens,
            avoidable_tokens=miss.avoidable_tokens,
            before=miss.before,
            now=miss.now,
            earlier=miss.earlier,
            compared_with=miss.compared_with,
        )
