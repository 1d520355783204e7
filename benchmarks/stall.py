"""A long prompt arrives beside a running request: how long the one's tokens wait, and what it costs the other.

    python -m benchmarks.stall MODEL_FOLDER [--long 1500] [--rounds 3] [--beside FOLDER] [--json]

In each round the long prompt is read alone; then again while another request decodes, with a short prompt behind it.
`--beside` gives the same trace to `mlx_lm.server` with that model folder (float32 where there is no GPU) in the same
run. Ours runs in process, so that the figures need no daemon; theirs over HTTP, which adds a millisecond.

The gaps are those between tokens of the running request while the long prompt is read. A newcomer gives away what the
running request's steps take: its first token should come within 1.3 times the time it needs alone and that.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from threading import Event
from typing import Any

from benchmarks.inprocess import EngineThread

TARGET_S = 0.3
SHORT_WORDS = 12
STEADY_TOKENS = 12
"""Tokens of the running request before the long prompt comes."""
ANSWER_TOKENS = 100_000
WORDS = ("the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "with", "as", "his", "they")

Stamps = list[float]


@dataclass(frozen=True, slots=True)
class Trace:
    """Seconds of one round."""

    alone_s: float
    long_s: float
    short_s: float
    gaps_s: tuple[float, ...]
    step_s: float
    """A step of the running request that nothing disturbs."""


class Stream:
    """One request's tokens as they come; ends when it is told to."""

    def __init__(self, start: Callable[[str, int, Stamps, Event], None], prompt: str, tokens: int) -> None:
        self.began_s = time.perf_counter()
        self.stamps: Stamps = []
        self.enough = Event()
        self._thread = ThreadPoolExecutor(1)
        self._done = self._thread.submit(start, prompt, tokens, self.stamps, self.enough)

    def await_tokens(self, count: int) -> float:
        """Wait for the token of this number; return its seconds since the start."""
        while len(self.stamps) < count:
            if self._done.done():
                self._done.result()
                raise SystemExit(f"a request ended after {len(self.stamps)} tokens")
            time.sleep(0.001)
        return self.stamps[count - 1] - self.began_s

    def end(self) -> None:
        """Leave, and wait until that is noticed."""
        self.enough.set()
        self._done.result()
        self._thread.shutdown()


Start = Callable[[str, int, Stamps, Event], None]


def traced(start: Start, words: int, seed: int) -> Trace:
    """Run one round; no two rounds share a prompt."""
    chance = random.Random(seed)
    alone = Stream(start, text_of(chance, words), 1)
    alone_s = alone.await_tokens(1)
    alone.end()
    running = Stream(start, text_of(chance, SHORT_WORDS), ANSWER_TOKENS)
    running.await_tokens(STEADY_TOKENS)
    steady = list(running.stamps[2:])
    long = Stream(start, text_of(chance, words), 1)
    time.sleep(0.05)
    short = Stream(start, text_of(chance, SHORT_WORDS), 1)
    long_s, short_s = long.await_tokens(1), short.await_tokens(1)
    end_s = long.began_s + long_s
    running.await_tokens(len(running.stamps) + 2)
    stamps = list(running.stamps)
    for stream in (running, long, short):
        stream.end()
    gaps = tuple(after - before for before, after in pairwise(stamps) if after > long.began_s and before < end_s)
    step_s = statistics.median(after - before for before, after in pairwise(steady))
    return Trace(alone_s, long_s, short_s, gaps, step_s)


def text_of(chance: random.Random, words: int) -> str:
    """Return words that mean nothing, nearly all of them one token."""
    return " ".join(chance.choice(WORDS) for _ in range(words))


def figures(traces: list[Trace]) -> dict[str, float]:
    """Return the medians over the rounds, with the ratios that are aimed at."""

    def median(of: Callable[[Trace], float]) -> float:
        return statistics.median(of(trace) for trace in traces)

    return {
        "gap while undisturbed, ms": 1000 * median(lambda t: t.step_s),
        "gap beside the long prompt, p95, ms": 1000 * median(lambda t: p95(t.gaps_s)),
        "longest gap, ms": 1000 * median(lambda t: max(t.gaps_s)),
        "p95 over the stall target": median(lambda t: p95(t.gaps_s) / TARGET_S),
        "long prompt alone, first token, s": median(lambda t: t.alone_s),
        "beside the other, first token, s": median(lambda t: t.long_s),
        "tokens given away": median(lambda t: float(len(t.gaps_s))),
        "over alone and what it gave away": median(lambda t: t.long_s / (t.alone_s + len(t.gaps_s) * t.step_s)),
        "short prompt behind it, first token, s": median(lambda t: t.short_s),
        "short over long": median(lambda t: t.short_s / t.long_s),
    }


def p95(gaps_s: tuple[float, ...]) -> float:
    """Return the 95th percentile, the longest where there are few."""
    return sorted(gaps_s)[min(len(gaps_s) - 1, round(0.95 * len(gaps_s)))]


def served(address: str, model: str) -> Start:
    """Return a way to start requests at a server."""

    def start(prompt: str, tokens: int, stamps: Stamps, enough: Event) -> None:
        body = {"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True}
        connection = http.client.HTTPConnection(address, timeout=600)
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        for line in connection.getresponse():
            if line.startswith(b"data: {") and json.loads(line[6:])["choices"]:
                stamps.append(time.perf_counter())
            if enough.is_set():
                break
        connection.close()

    return start


def measured(start: Start, words: int, rounds: int, seed: int) -> dict[str, float]:
    """Warm up, then measure."""
    traced(start, max(64, words // 8), seed)
    return figures([traced(start, words, seed + number) for number in range(1, rounds + 1)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder in MLX layout")
    parser.add_argument("--long", type=int, default=1500, help="tokens of the long prompt, about")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--beside", metavar="FOLDER", help="model folder for mlx_lm.server")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    engine = EngineThread(options.model, TARGET_S)
    words = round(options.long * 200 / engine.count_tokens(text_of(random.Random(0), 200)))
    found: dict[str, Any] = {"ours": measured(engine.serve, words, options.rounds, 1000)}
    engine.close()
    if options.beside:
        from benchmarks.agent import mlx_lm_server

        with mlx_lm_server(options.beside) as server:
            found["mlx_lm.server"] = measured(served(server.address, options.beside), words, options.rounds, 2000)
    if options.json:
        print(json.dumps(found))
        return
    for name, rows in found.items():
        print(name)
        for label, value in rows.items():
            print(f"  {label:42} {value:>10.4g}")


if __name__ == "__main__":
    main()
