"""Prompts that are counted and not answered, and what of a prompt is told to be kept."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Event, Failed, Finished, FinishReason, Queued, Usage
from omlx_daemon.core.requests import CachePolicy, GenerationRequest, Prompt, TextPrompt, TokenPrompt
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Ticket, Tickets
from omlx_daemon.worker.intake import Intake
from tests.worker.doubles import VOCABULARY, Bench, Bytes, Clock

CONTEXT_TOKENS = 100
PLENTY = 1 << 30


class Desk:
    """An intake without an engine behind it."""

    def __init__(self) -> None:
        self.tickets = Tickets(8, 8, Clock())
        self.told: SimpleQueue[tuple[str, Event]] = SimpleQueue()
        self.admitted: SimpleQueue[Sequence] = SimpleQueue()
        self.intake = Intake(self.tickets, lambda name, event: self.told.put((name, event)), self.admitted.put)
        facts = ModelFacts(context_tokens=CONTEXT_TOKENS, vocabulary_tokens=VOCABULARY)
        self.intake.start(Preparer(Bytes(), Bytes(), facts))

    def count(self, prompt: Prompt) -> list[Event]:
        """Return all that is told of one request for a count."""
        self.intake.submit(GenerationRequest(id="c", model="m", prompt=prompt, count_only=True))
        told = [self.told.get(timeout=30)]
        while not isinstance(told[-1][1], Failed | Finished):
            told.append(self.told.get(timeout=30))
        assert {name for name, _ in told} == {"c"}
        assert self.told.empty()
        return [event for _, event in told]


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    yield found
    assert len(found.tickets) == 0
    assert found.admitted.empty()
    assert not found.intake.busy


@pytest.mark.parametrize("length", [1, CONTEXT_TOKENS, 50 * CONTEXT_TOKENS])
def test_a_count_never_reaches_the_engine_and_knows_no_limit(desk: Desk, length: int) -> None:
    queued, finished = desk.count(TextPrompt(text="x" * length))
    assert queued == Queued(prompt_tokens=length)
    assert finished == Finished(reason=FinishReason.STOP, usage=Usage(prompt_tokens=length))


def test_what_cannot_be_tokenised_is_refused(desk: Desk) -> None:
    (failed,) = desk.count(TokenPrompt(token_ids=(VOCABULARY,)))
    assert isinstance(failed, Failed)
    assert failed.error.code is Code.INVALID_REQUEST


def usage(bench: Bench, ticket: Ticket) -> Usage:
    end = bench.end(ticket)
    assert isinstance(end, Finished)
    return end.usage


@pytest.mark.parametrize("length", [1, 2, 255, 256, 257, 1000])
def test_what_was_computed_and_is_kept_is_told_once(length: int) -> None:
    bench = Bench(hot_bytes=PLENTY)
    for stored, cached in ((length - 1, 0), (0, length - 1)):
        ticket = bench.submit(length)
        bench.run()
        assert (usage(bench, ticket).stored_tokens, usage(bench, ticket).cached_tokens) == (stored, cached)
    longer = bench.submit(length + 300)
    bench.run()
    told = usage(bench, longer)
    assert told.stored_tokens + told.cached_tokens == length + 299


def test_what_is_not_to_be_kept_is_not_told_to_be() -> None:
    for bench, policy in ((Bench(hot_bytes=PLENTY), CachePolicy(no_store=True)), (Bench(), CachePolicy())):
        ticket = bench.submit(1000, policy=policy)
        bench.run()
        assert usage(bench, ticket).stored_tokens == 0
