"""A real model behind the real engine, in this thread."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from omlx_daemon.core.adapters import Adapter
from omlx_daemon.core.events import Event, Failed, Finished, Text
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Message, Prompt, Sampling, TextPrompt
from omlx_daemon.wire.messages import Start, WorkerSettings
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Tickets

BLAS = blas.load()


class ModelBench:
    """Loads a model folder once; every `run` shares one batch."""

    def __init__(self, path: Path, settings: WorkerSettings | None = None, adapter: Adapter | None = None) -> None:
        from omlx_daemon.worker.backend.loader import load

        self.steps: list[str] = []
        start = Start(model="test", path=str(path), settings=settings or WorkerSettings(), adapter=adapter)
        self.loaded = load(start, BLAS, lambda step, share: self.steps.append(step))
        tokenizer = self.loaded.tokenizer
        self._tickets = Tickets(256, 512, time.monotonic)
        self.engine = Engine(self.loaded.runner, self._tickets, 256, 0.3, time.monotonic)
        self._preparer = Preparer(tokenizer, tokenizer, self.loaded.facts, grammars=self.loaded.grammars)

    def run(self, *requests: GenerationRequest) -> list[list[Event]]:
        """Return the events of each request, all run in one batch."""
        events: dict[str, list[Event]] = {request.id: [] for request in requests}
        for request in requests:
            ticket = self._tickets.open(request)
            sequence = self._preparer.prepare(ticket, request)
            assert self._tickets.hand_over(ticket)
            self.engine.admit(sequence)
        while self.engine.busy:
            for request_id, event in self.engine.tick():
                events[request_id].append(event)
        return list(events.values())

    def alone(self, *requests: GenerationRequest) -> list[list[Event]]:
        """Return the events of each request, run one after the other."""
        return [self.run(request)[0] for request in requests]


def ask(
    name: str, prompt: str | Prompt, *, chat: bool = False, echo: bool = False, **sampling: Any
) -> GenerationRequest:
    """Return a request; text becomes a bare prompt, or one user's turn."""
    if isinstance(prompt, str):
        prompt = ChatPrompt(messages=(Message(role="user", content=prompt),)) if chat else TextPrompt(text=prompt)
    return GenerationRequest(id=name, model="test", prompt=prompt, sampling=Sampling(**sampling), echo=echo)


def tokens(events: list[Event]) -> list[int]:
    """Return the answer's token ids."""
    return [token for event in events if isinstance(event, Text) for token in event.token_ids]


def text(events: list[Event]) -> str:
    """Return the answer's text."""
    return "".join(event.text for event in events if isinstance(event, Text))


def finished(events: list[Event]) -> Finished:
    """Return the proper end."""
    end = events[-1]
    assert isinstance(end, Finished), end
    return end


def failed(events: list[Event]) -> Failed:
    """Return the failure."""
    end = events[-1]
    assert isinstance(end, Failed), end
    return end
