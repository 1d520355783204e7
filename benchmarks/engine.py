"""The engine against mlx-lm's own `BatchGenerator`, in one process on one thread: decode speed and first token.

    python -m benchmarks.engine MODEL_FOLDER [--streams 1,8,32] [--prompt 64] [--tokens 48] [--rounds 5] [--json]

Both run the same prompts in turn, greedily and without an end token; ours also detokenises and makes its events.
Targets: at least 0.95 of the raw tokens a second, prompts included, and a first token at most 20 ms later. The speed of
decode alone is that of the last half of the tokens.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sized

from omlx_daemon.core.events import Text
from omlx_daemon.core.requests import GenerationRequest, Sampling, TokenPrompt
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.loop import Engine
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.tickets import Tickets

Prompts = list[tuple[int, ...]]
Stamps = list[float]
"""Seconds from the submission to each token, in order."""
Serve = Callable[[Prompts, int], Stamps]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder in MLX layout")
    parser.add_argument("--streams", type=numbers_of, default="8", help="one or several numbers of streams")
    parser.add_argument("--prompt", type=int, default=64, help="prompt tokens of each stream")
    parser.add_argument("--tokens", type=int, default=48, help="answer tokens of each stream")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    raw, ours, setting = contenders(options.model)
    results = [setting | measured(options, count, raw, ours) for count in options.streams]
    if options.json:
        print(json.dumps(results if len(results) > 1 else results[0]))
        return
    for figures in results:
        for name, value in figures.items():
            print(f"{name:36} {value:>12.4g}" if isinstance(value, float) else f"{name:36} {value:>12}")
        print()


def numbers_of(text: str) -> list[int]:
    """Return the numbers in text such as `1,8,32`."""
    return [int(part) for part in text.split(",")]


def measured(options: argparse.Namespace, count: int, raw: Serve, ours: Serve) -> dict[str, float | str]:
    """Return the figures of so many streams."""
    streams = [prompt_of(options.prompt, number) for number in range(count)]
    for serve in (raw, ours):
        serve(streams, 4)
    speeds = rounds(options.rounds, raw, ours, streams, options.tokens)
    firsts = rounds(options.rounds, raw, ours, streams[:1], 1)
    return summary(count, options.tokens, speeds, firsts)


def summary(
    streams: int, tokens: int, speeds: list[tuple[Stamps, Stamps]], firsts: list[tuple[Stamps, Stamps]]
) -> dict[str, float | str]:
    """Return the figures: speeds and first tokens of both, and how ours compares round by round."""
    total = streams * tokens
    assert all(len(stamps) == total for pair in speeds for stamps in pair), "every stream gives every token"
    return {
        "streams": float(streams),
        "raw, tok/s": statistics.median(total / raw[-1] for raw, _ in speeds),
        "ours, tok/s": statistics.median(total / ours[-1] for _, ours in speeds),
        "ours over raw, ratio": statistics.median(raw[-1] / ours[-1] for raw, ours in speeds),
        "raw decode, tok/s": statistics.median(decode_speed(raw, streams) for raw, _ in speeds),
        "ours decode, tok/s": statistics.median(decode_speed(ours, streams) for _, ours in speeds),
        "decode, ours over raw, ratio": statistics.median(
            decode_speed(ours, streams) / decode_speed(raw, streams) for raw, ours in speeds
        ),
        "raw first token, ms": 1000 * statistics.median(raw[0] for raw, _ in firsts),
        "ours first token, ms": 1000 * statistics.median(ours[0] for _, ours in firsts),
        "first token later by, ms": 1000 * statistics.median(ours[0] - raw[0] for raw, ours in firsts),
    }


def decode_speed(stamps: Stamps, streams: int) -> float:
    """Return tokens a second of the last half of the steps, where all streams run."""
    tail = len(stamps) // 2 // streams * streams
    return tail / (stamps[-1] - stamps[-1 - tail])


def rounds(count: int, raw: Serve, ours: Serve, prompts: Prompts, tokens: int) -> list[tuple[Stamps, Stamps]]:
    """Run both in turn, each first in every other round."""
    results = []
    for number in range(count):
        if number % 2:
            mine = ours(prompts, tokens)
            results.append((raw(prompts, tokens), mine))
        else:
            theirs = raw(prompts, tokens)
            results.append((theirs, ours(prompts, tokens)))
    return results


def contenders(path: str) -> tuple[Serve, Serve, dict[str, float | str]]:
    """Load the model once; return raw, ours and what they run on."""
    library = blas.load()
    from mlx_lm.generate import BatchGenerator

    from omlx_daemon.worker.backend.loader import load

    loaded = load(Start(model="bench", path=path), library, lambda step, share: None)
    tickets = Tickets(256, 512, time.monotonic)
    engine = Engine(loaded.runner, tickets, 256, 0.3, time.monotonic)
    preparer = Preparer(loaded.tokenizer, loaded.tokenizer, loaded.facts)

    def raw(prompts: Prompts, tokens: int) -> Stamps:
        generator = BatchGenerator(loaded.runner.model, max_tokens=tokens, completion_batch_size=max(32, len(prompts)))
        step: Callable[[], tuple[Sized, Sized]] = generator.next
        started_s, stamps = time.perf_counter(), Stamps()
        generator.insert([list(prompt) for prompt in prompts])
        while len(stamps) < len(prompts) * tokens:
            _, responses = step()
            stamps += [time.perf_counter() - started_s] * len(responses)
        return stamps

    def ours(prompts: Prompts, tokens: int) -> Stamps:
        started_s, stamps = time.perf_counter(), Stamps()
        for number, prompt in enumerate(prompts):
            request = request_of(str(number), prompt, tokens)
            ticket = tickets.open(request)
            sequence = preparer.prepare(ticket, request)
            tickets.hand_over(ticket)
            engine.admit(sequence)
        while engine.busy:
            items = engine.tick()
            given = sum(len(event.token_ids) for _, event in items if isinstance(event, Text))
            stamps += [time.perf_counter() - started_s] * given
        return stamps

    ready = loaded.ready
    return raw, ours, {"backend": ready.backend, "blas": ready.blas, "weights": ready.weights_dtype}


def request_of(name: str, prompt: tuple[int, ...], tokens: int) -> GenerationRequest:
    """Return a greedy request that does not end early."""
    sampling = Sampling(temperature=0.0, max_tokens=tokens, ignore_eos=True)
    return GenerationRequest(id=name, model="bench", prompt=TokenPrompt(token_ids=prompt), sampling=sampling)


def prompt_of(length: int, number: int) -> tuple[int, ...]:
    """Return a prompt of ordinary ids, another one for each number."""
    return tuple(100 + (number * 131 + position * 17) % 1000 for position in range(length))


if __name__ == "__main__":
    main()
