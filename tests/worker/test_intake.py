"""What becomes of requests that are being tokenised, or wait for it."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event as Signal

import pytest

from omlx_cli.contract.errors import Code
from omlx_daemon.core.events import Event, Failed, Queued
from omlx_daemon.core.requests import GenerationRequest, Sampling, TextPrompt
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Tickets
from omlx_daemon.worker.intake import Intake
from tests.worker.doubles import VOCABULARY, Bytes, Clock


class Slow(Bytes):
    """Tokenises when it is told to."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.begun, self.go = Signal(), Signal()

    def encode_text(self, text: str) -> list[int]:
        self.texts.append(text)
        self.begun.set()
        assert self.go.wait(30)
        return super().encode_text(text)


class Desk:
    """An intake whose tokenizer is held up by the request `first`."""

    def __init__(self) -> None:
        self.clock, self.slow = Clock(), Slow()
        self.tickets = Tickets(8, 8, self.clock)
        self.told: SimpleQueue[tuple[str, Event]] = SimpleQueue()
        self.admitted: SimpleQueue[Sequence] = SimpleQueue()
        self.intake = Intake(self.tickets, lambda name, event: self.told.put((name, event)), self.admitted.put)
        facts = ModelFacts(context_tokens=1000, vocabulary_tokens=VOCABULARY)
        self.intake.start(Preparer(self.slow, self.slow, facts))
        self.submit("first")
        assert self.slow.begun.wait(30)

    def submit(self, name: str, deadline_s: float | None = None) -> None:
        prompt, sampling = TextPrompt(text=name), Sampling(max_tokens=3)
        request = GenerationRequest(id=name, model="m", prompt=prompt, sampling=sampling, deadline_s=deadline_s)
        self.intake.submit(request)

    def next(self) -> tuple[str, Event]:
        return self.told.get(timeout=30)


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    yield found
    found.slow.go.set()


def test_a_deadline_ends_those_who_wait_to_be_tokenised_within_one_step(desk: Desk) -> None:
    desk.submit("second")
    desk.submit("late", deadline_s=1.0)
    desk.clock.now_s += 2.0
    desk.slow.go.set()
    told = [desk.next() for _ in range(3)]
    assert [name for name, _ in told] == ["first", "late", "second"]
    assert isinstance(told[0][1], Queued)
    failed = told[1][1]
    assert isinstance(failed, Failed)
    assert failed.error.code is Code.TIMEOUT
    assert desk.slow.texts == ["first", "second"]
    assert not desk.intake.busy
    assert len(desk.tickets) == 2


def test_what_is_cancelled_while_it_is_tokenised_never_reaches_the_engine(desk: Desk) -> None:
    desk.submit("second")
    ticket = desk.tickets.cancel("first")
    assert ticket is not None, "the caller's to end"
    desk.slow.go.set()
    assert desk.next()[0] == "second"
    assert desk.admitted.get(timeout=30).ticket.id == "second"
    assert desk.told.empty()
    assert len(desk.tickets) == 1
