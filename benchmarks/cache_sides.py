"""Engines with a cache and without on one model, for `benchmarks.cache_cost`; import it after the BLAS is loaded."""

from __future__ import annotations

import gc
import random
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path

from benchmarks.cache import Unlimited
from omlx_daemon.core.events import Failed
from omlx_daemon.core.requests import GenerationRequest, Sampling, TokenPrompt
from omlx_daemon.wire.cache import CacheStart
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend.blas import Blas
from omlx_daemon.worker.backend.loader import LoadedModel, load
from omlx_daemon.worker.backend.runner import BatchRunner
from omlx_daemon.worker.cache.cold import ColdTier
from omlx_daemon.worker.cache.hot import HotTier
from omlx_daemon.worker.cache.store import Store
from omlx_daemon.worker.cache.tier import Tier
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prefixes import Prefixes
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Tickets

FLUSH_S = 60.0
FULL_BYTES = 256 << 20
"""A tier in memory up to so large is filled before the rounds begin."""
SIDES = ("cached", "plain", "control")
Figures = dict[str, float]


class Side:
    """An engine on the shared model."""

    def __init__(self, loaded: LoadedModel, store: Store) -> None:
        self._store, self._names = store, count()
        self._tickets = Tickets(8, 16, time.monotonic)
        runner = BatchRunner(loaded.runner.model, loaded.runner.shape)
        self._engine = Engine(runner, self._tickets, 8, 0.3, time.monotonic, Prefixes(store, "bench"))
        self._preparer = Preparer(loaded.tokenizer, loaded.tokenizer, loaded.facts)

    def ask(self, prompt: list[int], tokens: int) -> float:
        """Answer a prompt and write what is to be kept; return the CPU seconds of all threads."""
        sampling = Sampling(temperature=0.0, max_tokens=tokens, ignore_eos=True)
        request = GenerationRequest(
            id=str(next(self._names)), model="bench", prompt=TokenPrompt(token_ids=tuple(prompt)), sampling=sampling
        )
        ticket = self._tickets.open(request)
        sequence = self._preparer.prepare(ticket, request)
        self._tickets.hand_over(ticket)
        began_s = time.process_time()
        self._engine.admit(sequence)
        while self._engine.busy:
            for _, event in self._engine.tick():
                assert not isinstance(event, Failed), event
        assert not self._store.flush(FLUSH_S).parts
        return time.process_time() - began_s


def measure(found: Blas, model: str, prompt: int, answer: int, hot_bytes: int, rounds: int) -> Figures:
    """Return CPU seconds and ratios; `found` is the BLAS in use. Without an answer, prompts alone are measured."""
    loaded = load(Start(model="bench", path=model, cache=CacheStart(enabled=True)), found, lambda step, share: None)
    with tempfile.TemporaryDirectory() as folder:
        tiers: list[Tier] = [HotTier(hot_bytes), ColdTier(Path(folder) / "space", Unlimited())]
        cached = Store(loaded.cache.codec, tiers, "bench")
        sides = dict(zip(SIDES, (Side(loaded, store) for store in (cached, _no_store(), _no_store())), strict=True))
        for side in sides.values():
            side.ask(_words(prompt), 2)
        while hot_bytes <= FULL_BYTES and not cached.stats().tiers[0].evictions:
            sides["cached"].ask(_words(prompt), 1)
        gc.freeze()
        try:
            figures = _compared("prefill", sides, rounds, prompt, 1)
            return figures | (_compared("decode", sides, rounds, 16, answer) if answer else {})
        finally:
            cached.close(FLUSH_S)


def _no_store() -> Store:
    return Store(None, (), "")


def _words(length: int) -> list[int]:
    return random.choices(range(250), k=length)


def _compared(what: str, sides: dict[str, Side], rounds: int, length: int, tokens: int) -> Figures:
    """Return the medians of `rounds`, and of their ratios."""
    took: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        prompt = _words(length)
        for name in random.sample(SIDES, len(SIDES)):
            took[name].append(sides[name].ask(prompt, tokens))
    return {
        f"{what}_plain_s": statistics.median(took["plain"]),
        f"{what}_cached_over_plain": _ratio(took["cached"], took["plain"]),
        f"{what}_control_over_plain": _ratio(took["control"], took["plain"]),
    }


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(one, other, strict=True))
