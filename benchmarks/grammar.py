"""Answers that follow a JSON schema against answers that are free, in one process, at the same number of tokens.

    python -m benchmarks.grammar MODEL_FOLDER [--rows 8] [--tokens 96] [--rounds 5] [--constrained 8] [--json]

Both run the same prompts in turn, greedily, each first in every other round; `--constrained` rows follow the schema in
the one, none in the other. Target: at least 0.9 of the free tokens a second. A mask is what the engine thread does for
one token of one row: the token is taken in, the grammar asked, its bits spread. It is measured in processor time, by
going through an answer once more with a grammar that has seen none.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import Any, NamedTuple

import msgspec

from benchmarks.engine import prompt_of, request_of
from omlx_daemon.core.events import Finished, Text
from omlx_daemon.core.requests import GenerationRequest, ResponseFormat
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Tickets

PROMPT_TOKENS = 64
MICROSECONDS = 1e6
SCHEMA = {
    "type": "array",
    "minItems": 500,
    "items": {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 8, "maxLength": 60},
            "kind": {"enum": ["apple", "pear", "plum"]},
            "price": {"type": "number", "minimum": 0},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 4},
            "sold": {"type": "boolean"},
        },
        "required": ["name", "kind", "price", "tags", "sold"],
        "additionalProperties": False,
    },
}
"""Long enough that no answer comes to its end."""


class Took(NamedTuple):
    """Seconds of one round, by the clock and of the processor."""

    wall_s: float
    cpu_s: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder in MLX layout")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--constrained", type=int, help="how many of them follow the schema; all, if not given")
    parser.add_argument("--tokens", type=int, default=96, help="answer tokens of each row")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    constrained = options.rows if options.constrained is None else options.constrained
    figures = Bench(options.model, options.rows, constrained, options.tokens).measure(options.rounds)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:44} {value:>12.4g}")


class Bench:
    """A loaded model behind the real engine."""

    def __init__(self, path: str, rows: int, constrained: int, tokens: int) -> None:
        library = blas.load()
        from omlx_daemon.worker.backend.loader import load

        loaded = load(Start(model="bench", path=path), library, lambda step, share: None)
        self._loaded = loaded
        self._rows, self._constrained, self._tokens = rows, constrained, tokens
        self._said: list[int] = []
        """The last answer that followed the schema."""
        self._tickets = Tickets(rows, 512, time.monotonic)
        self._engine = Engine(loaded.runner, self._tickets, rows, 0.3, time.monotonic)
        self._preparer = Preparer(loaded.tokenizer, loaded.tokenizer, loaded.facts, grammars=loaded.grammars)

    def measure(self, rounds: int) -> dict[str, float]:
        """Return the figures of so many rounds."""
        first_s, again_s = self._compile_s(), self._compile_s()
        for constrained in (0, self._constrained):
            self._round(constrained, 4)
        pairs = []
        for number in range(rounds):
            order = [0, self._constrained] if number % 2 else [self._constrained, 0]
            took = {constrained: self._round(constrained, self._tokens) for constrained in order}
            pairs.append((took[0], took[self._constrained]))
        total, masks = self._rows * self._tokens, self._masks_s()
        return {
            "free, tok/s": statistics.median(total / free.wall_s for free, _ in pairs),
            "with a grammar, tok/s": statistics.median(total / bound.wall_s for _, bound in pairs),
            "with over free, ratio": statistics.median(free.wall_s / bound.wall_s for free, bound in pairs),
            "with over free by processor time": statistics.median(free.cpu_s / bound.cpu_s for free, bound in pairs),
            "mask of one token, median, us": MICROSECONDS * statistics.median(masks),
            "mask of one token, 99th percentile, us": MICROSECONDS * statistics.quantiles(masks, n=100)[98],
            "mask of one token, longest, us": MICROSECONDS * max(masks),
            "first grammar of the model, ms": 1000 * first_s,
            "the same grammar again, ms": 1000 * again_s,
        }

    def _request(self, number: int, *, constrained: bool, tokens: int) -> GenerationRequest:
        request = request_of(str(number), prompt_of(PROMPT_TOKENS, number), tokens)
        wish = ResponseFormat(schema=SCHEMA) if constrained else None
        return msgspec.structs.replace(request, response_format=wish)

    def _compile_s(self) -> float:
        """Return what preparing a constrained request takes."""
        request = self._request(0, constrained=True, tokens=1)
        ticket = self._tickets.open(request)
        began_s = time.perf_counter()
        self._preparer.prepare(ticket, request)
        took_s = time.perf_counter() - began_s
        self._tickets.close(ticket)
        return took_s

    def _round(self, constrained: int, tokens: int) -> Took:
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        for number in range(self._rows):
            request = self._request(number, constrained=number < constrained, tokens=tokens)
            ticket = self._tickets.open(request)
            sequence = self._preparer.prepare(ticket, request)
            self._tickets.hand_over(ticket)
            self._engine.admit(sequence)
        given, self._said = 0, self._said if not constrained else []
        while self._engine.busy:
            for request_id, event in self._engine.tick():
                given += len(event.token_ids) if isinstance(event, Text) else 0
                if request_id == "0" and isinstance(event, Text) and constrained:
                    self._said += event.token_ids
                assert not isinstance(event, Finished) or event.usage.completion_tokens == tokens
        assert given == self._rows * tokens, "every row gives every token"
        return Took(time.perf_counter() - began_s, time.process_time() - began_cpu_s)

    def _masks_s(self) -> list[float]:
        """Return what each mask took on the way through an answer, by a grammar that has seen none before."""
        from omlx_daemon.worker.backend.grammar.follower import Follower

        self._loaded.grammars._kept.clear()
        request = self._request(0, constrained=True, tokens=1)
        ticket = self._tickets.open(request)
        grammar: Any = self._preparer.prepare(ticket, request).grammar
        self._tickets.close(ticket)
        follower, seconds = Follower(grammar), []
        follower.allowed()
        for token in self._said:
            began_s = time.thread_time()
            follower.take(token)
            follower.allowed()
            seconds.append(time.thread_time() - began_s)
        return seconds


if __name__ == "__main__":
    main()
