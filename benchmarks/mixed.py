"""Decoding rows of unlike length: lanes of like length against mlx-lm's one batch, padded to its longest row.

    python -m benchmarks.mixed MODEL_FOLDER [--rows 7x128,2000] [--tokens 24] [--rounds 3] [--json]

Both start from the same prompts in turn, whose KV is made up, and decode greedily. On a CPU that others use too, the
ratio by processor time is the one to trust. Of the KV, what is held is compared with what is in use at the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from benchmarks.engine import prompt_of
from omlx_daemon.wire.messages import Start
from omlx_daemon.worker.backend import blas
from omlx_daemon.worker.engine.plan import SamplingPlan
from omlx_daemon.worker.engine.ports import Row

GREEDY = SamplingPlan(temperature=0.0)
SETTLE_STEPS = 20
"""Steps before the clock starts: rows find their lanes meanwhile."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder in MLX layout")
    parser.add_argument("--rows", type=lengths_of, default="7x128,2000", help="prompt tokens of each row")
    parser.add_argument("--tokens", type=int, default=24, help="answer tokens of each row that are timed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    bench = Bench(options.model, options.rows)
    rounds = [(bench.raw(options.tokens), bench.ours(options.tokens)) for _ in range(options.rounds)]
    figures = summary(rounds)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:36} {value:>12.4g}")


def lengths_of(text: str) -> list[int]:
    """Return the lengths in text such as `7x128,2000`."""
    pairs = [part.split("x") if "x" in part else ["1", part] for part in text.split(",")]
    return [int(length) for count, length in pairs for _ in range(int(count))]


def summary(rounds: list[tuple[dict[str, float], dict[str, float]]]) -> dict[str, float]:
    """Return the medians of both, and how ours compares round by round."""
    raw, ours = [pair[0] for pair in rounds], [pair[1] for pair in rounds]
    return {
        "raw, tok/s": statistics.median(one["speed"] for one in raw),
        "ours, tok/s": statistics.median(one["speed"] for one in ours),
        "ours over raw, ratio": statistics.median(b["speed"] / a["speed"] for a, b in rounds),
        "ours over raw by processor time": statistics.median(a["cpu_s"] / b["cpu_s"] for a, b in rounds),
        "lanes": ours[-1]["lanes"],
        "raw KV held over live": raw[-1]["held"] / raw[-1]["live"],
        "ours KV held over live": ours[-1]["held"] / ours[-1]["live"],
    }


def timed_steps(step: Callable[[], object], count: int, rows: int) -> dict[str, float]:
    """Return tokens a second, and the processor time that the steps took."""
    began_s, began_cpu_s = time.perf_counter(), time.process_time()
    for _ in range(count):
        step()
    took_s, took_cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    return {"speed": count * rows / took_s, "cpu_s": took_cpu_s}


class Bench:
    """A loaded model and its rows."""

    def __init__(self, path: str, lengths: list[int]) -> None:
        library = blas.load()
        from omlx_daemon.worker.backend.loader import load

        loaded = load(Start(model="bench", path=path), library, lambda step, share: None)
        self._runner = loaded.runner
        self._prompts = [list(prompt_of(length, number)) for number, length in enumerate(lengths)]

    def raw(self, tokens: int) -> dict[str, float]:
        """Decode in one batch."""
        import mlx.core as mx
        from mlx_lm.generate import BatchGenerator

        generator: Any = BatchGenerator(self._runner.model, max_tokens=1 << 30, prefill_batch_size=1)
        caches = [self._cache(len(prompt) - 1) for prompt in self._prompts]
        done = [prompt[:-1] for prompt in self._prompts]
        generator.insert([prompt[-1:] for prompt in self._prompts], caches=caches, all_tokens=done)
        del caches
        made = 0
        while made < SETTLE_STEPS * len(self._prompts):
            made += len(generator.next()[1])
        timed = timed_steps(generator.next, tokens, len(self._prompts))
        batch = generator._generation_batch
        held = sum(cache.nbytes for cache in batch.prompt_cache)
        live = sum(self._runner.shape.bytes_at(len(row)) for row in batch.tokens)
        generator.close()
        mx.clear_cache()
        return timed | {"held": held, "live": live}

    def ours(self, tokens: int) -> dict[str, float]:
        """Decode in lanes."""
        from omlx_daemon.worker.backend.kv.batch import batched

        runner = self._runner
        for number, prompt in enumerate(self._prompts):
            cache = self._cache(len(prompt) - 1)
            rows = runner.resume(Row(number, prompt, GREEDY), batched(cache), len(prompt) - 1)
            rows.join([prompt[-1]])
            runner.step()
        for _ in range(SETTLE_STEPS):
            runner.step()
        timed = timed_steps(runner.step, tokens, len(self._prompts))
        memory, lanes = runner.memory(), len(runner.lanes)
        runner.reset()
        return timed | {"held": memory.kv_bytes, "live": memory.kv_live_bytes, "lanes": lanes}

    def _cache(self, tokens: int) -> list[Any]:
        """Return a model cache of so many tokens with keys and values of no meaning."""
        import mlx.core as mx
        from mlx_lm.models.cache import make_prompt_cache

        probe: list[Any] = make_prompt_cache(self._runner.model)
        mx.eval(self._runner.model(mx.array([[0]]), cache=probe))
        for layer in probe:
            (_, heads, _, width), dtype = layer.keys.shape, layer.keys.dtype
            room = -(-tokens // 256) * 256
            layer.keys = mx.random.normal((1, heads, room, width)).astype(dtype)
            layer.values = mx.random.normal((1, heads, room, layer.values.shape[3])).astype(dtype)
            layer.offset = tokens
        mx.eval([layer.state for layer in probe])
        return probe


if __name__ == "__main__":
    main()
