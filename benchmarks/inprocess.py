"""An engine on a thread of its own, as a worker has it, without the daemon: loads, serves text prompts, measures."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from queue import Empty, SimpleQueue
from threading import Event, Thread

from omlx_daemon.core.events import Terminal, Text
from omlx_daemon.core.requests import GenerationRequest, Sampling, TextPrompt
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Tickets


class EngineThread:
    """Serves any number of callers."""

    def __init__(self, path: str, stall_target_s: float) -> None:
        self._tickets = Tickets(256, 512, time.monotonic)
        self._wishes: SimpleQueue[Sequence] = SimpleQueue()
        self._streams: dict[str, tuple[list[float], Event]] = {}
        self._ready, self._stop = Event(), Event()
        self._names = count()
        self._preparer: Preparer | None = None
        self._count: Callable[[str], int] = len
        self._thread = Thread(target=self._run, args=(path, stall_target_s), daemon=True)
        self._thread.start()
        self._ready.wait()

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the model makes of a text."""
        return self._count(text)

    def serve(self, prompt: str, tokens: int, stamps: list[float], enough: Event) -> None:
        """Answer a prompt; note when each token came, until it ends or is enough."""
        assert self._preparer is not None
        name, ended = str(next(self._names)), Event()
        sampling = Sampling(temperature=0.0, max_tokens=tokens, ignore_eos=True)
        request = GenerationRequest(id=name, model="bench", prompt=TextPrompt(text=prompt), sampling=sampling)
        ticket = self._tickets.open(request)
        sequence = self._preparer.prepare(ticket, request)
        self._streams[name] = (stamps, ended)
        self._tickets.hand_over(ticket)
        self._wishes.put(sequence)
        while not ended.wait(0.005):
            if enough.is_set():
                self._tickets.cancel(name)

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self, path: str, stall_target_s: float) -> None:
        library = blas.load()
        from omlx_daemon.worker.backend.loader import load

        loaded = load(Start(model="bench", path=path), library, lambda step, share: None)
        engine = Engine(loaded.runner, self._tickets, 256, stall_target_s, time.monotonic)
        self._preparer = Preparer(loaded.tokenizer, loaded.tokenizer, loaded.facts)
        self._count = lambda text: len(loaded.tokenizer.encode_text(text))
        self._ready.set()
        while not self._stop.is_set():
            with suppress(Empty):
                engine.admit(self._wishes.get(block=not engine.busy, timeout=0.01))
            for name, event in engine.tick() if engine.busy else ():
                stamps, ended = self._streams[name]
                if isinstance(event, Text):
                    stamps += [time.perf_counter()] * len(event.token_ids)
                if isinstance(event, Terminal):
                    ended.set()


if __name__ == "__main__":
    raise SystemExit("this is a part of other benchmarks: python -m benchmarks.stall MODEL_FOLDER")
