"""What a turn costs at least: the model alone, on a cache that has the rows already. The yardstick of a replay.

Answers each line on stdin (`CACHED NEW`, tokens) with the seconds to the first token after them, by clock and by CPU.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from benchmarks.raw import open_model


def turns(path: str) -> None:
    """Load the model at `path`, then compute a turn for every line on stdin."""
    model, _ = open_model(path)
    print("ready", flush=True)
    for line in sys.stdin:
        cached, new = (int(word) for word in line.split())
        print(*turn(model, cached, new), flush=True)


def turn(model: Any, cached: int, new: int) -> tuple[float, float]:
    """Return the seconds that `new` prompt tokens and the choice of the next one take after `cached` others."""
    import mlx.core as mx
    from mlx_lm.models.cache import make_prompt_cache

    cache: list[Any] = make_prompt_cache(model)
    tokens = mx.array([[(7919 * number) % 30_000 + 100 for number in range(cached + new)]])
    model(tokens[:, :1], cache=cache)
    for layer in cache:
        heads, width, dtype = layer.keys.shape[1], layer.keys.shape[3], layer.keys.dtype
        rows = (mx.random.normal((1, heads, cached - 1, width)).astype(dtype) for _ in range(2))
        layer.update_and_fetch(*rows)
    mx.eval([layer.state for layer in cache])
    began_s, computed_s = time.perf_counter(), time.process_time()
    if new > 1:
        model(tokens[:, cached:-1], cache=cache)
        mx.eval([layer.state for layer in cache])
    mx.eval(mx.argmax(model(tokens[:, -1:], cache=cache)[:, -1], axis=-1))
    return time.perf_counter() - began_s, time.process_time() - computed_s


if __name__ == "__main__":
    turns(sys.argv[1])
