"""What the cache costs while nothing is found in it: CPU time of prompts and answers with it and without, in one run.

    python -m benchmarks.cache_cost MODEL_FOLDER [--prompt 1024] [--answer 256] [--hot 96MiB] [--rounds 9] [--json]

Engines that share one model take turns, in another order each round: one with both tiers, two without. What the two
without differ by is how much the figures may be believed. CPU time is that of all threads, until the last block is
written. Prompts are random token ids, so that nothing is shared. The tier in memory is full before the rounds begin, as
that of a worker is that has run for a while; with a large `--hot` it grows, and the system's price for memory that was
never used is in the figures. Blocks go to a temporary directory, which is removed.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import statistics
import tempfile
import time
from itertools import count
from pathlib import Path

from benchmarks.cache import Unlimited
from omlx_cli.contract.units import parse_size_bytes
from omlx_daemon.core.events import Failed
from omlx_daemon.core.requests import GenerationRequest, Sampling, TokenPrompt
from omlx_daemon.wire.cache import CacheStart
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend import blas
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


def measure(model: str, prompt: int, answer: int, hot_bytes: int, rounds: int) -> Figures:
    """Return CPU seconds and ratios."""
    loaded = load(
        Start(model="bench", path=model, cache=CacheStart(enabled=True)), blas.load(), lambda step, share: None
    )
    with tempfile.TemporaryDirectory() as folder:
        tiers: list[Tier] = [HotTier(hot_bytes), ColdTier(Path(folder) / "space", Unlimited())]
        cached = Store(loaded.cache.codec, tiers, "bench")
        sides = dict(zip(SIDES, (Side(loaded, store) for store in (cached, _no_store(), _no_store())), strict=True))
        for side in sides.values():
            side.ask(_words(prompt), 2)
        gc.freeze()
        try:
            figures = _compared("prefill", sides, rounds, prompt, 1)
            return figures | _compared("decode", sides, rounds, 16, answer)
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


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--prompt", type=int, default=1024, help="tokens of the prompts whose prefill is measured")
    parser.add_argument("--answer", type=int, default=256, help="tokens of the answers whose decode is measured")
    parser.add_argument("--hot", type=parse_size_bytes, default="96MiB", help="bound of the tier in memory")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.model, options.prompt, options.answer, options.hot, options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:28} {value:10.4f}")


if __name__ == "__main__":
    main()
