"""mlx-lm's BatchGenerator in a process of its own: the yardstick of the serving benchmark.

Answers each line on stdin (`COUNT TOKENS`) with one JSON line: seconds, tokens, first-token seconds.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from contextlib import suppress
from typing import Any


def open_model(path: str) -> tuple[Any, Any]:
    """Return the model at `path`, computing as omlx has it compute on the CPU, and its tokenizer."""
    with suppress(OSError):
        ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
    import mlx.core as mx
    from mlx_lm import load
    from mlx_lm.utils import dequantize_model

    model, tokenizer = load(path)[:2]
    if mx.default_device().type == mx.DeviceType.cpu:
        model = dequantize_model(model)
        model.set_dtype(mx.float32)
    mx.eval(model.parameters())
    return model, tokenizer


def rounds(path: str, prompts: list[str]) -> None:
    """Load the model at `path`, then run a round for every line on stdin.

    The prompts are chats where the model has a template for them, else bare texts.
    """
    model, tokenizer = open_model(path)
    texts = [encoded(tokenizer, prompt) for prompt in prompts]
    print("ready", flush=True)
    for line in sys.stdin:
        count, tokens = (int(word) for word in line.split())
        print(json.dumps(one_round(model, texts[:count], tokens)), flush=True)


def encoded(tokenizer: Any, prompt: str) -> list[int]:
    """Return the tokens of one prompt."""
    if not tokenizer.has_chat_template:
        return list(tokenizer.encode(prompt))
    chat = [{"role": "user", "content": prompt}]
    return list(tokenizer.apply_chat_template(chat, add_generation_prompt=True))


def one_round(model: Any, texts: list[list[int]], tokens: int) -> dict[str, float]:
    """Generate `tokens` tokens after each text in one batch."""
    from mlx_lm.generate import BatchGenerator

    started, first, made = time.perf_counter(), 0.0, 0
    generator: Any = BatchGenerator(model, max_tokens=tokens, stop_tokens=[], completion_batch_size=max(32, len(texts)))
    generator.insert(texts)
    while made < tokens * len(texts):
        made += len(generator.next()[1])
        if made and not first:
            first = time.perf_counter() - started
    generator.close()
    return {"seconds": time.perf_counter() - started, "tokens": made, "first_s": first}


if __name__ == "__main__":
    rounds(sys.argv[1], json.loads(sys.argv[2]))
