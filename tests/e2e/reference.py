"""Print what `mlx_lm.generate` answers greedily, as JSON lines; run in a process of its own."""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any


def main() -> None:
    """Answer the prompts on stdin (a JSON list) with the model at argv[1], argv[2] tokens each.

    argv[3] is an adapter for it.
    """
    try:
        ctypes.CDLL("libopenblas.so.0", mode=ctypes.RTLD_GLOBAL)
    except OSError:
        print("no OpenBLAS: this is slow", file=sys.stderr)  # noqa: T201
    import mlx.core as mx
    from mlx_lm import generate, load
    from mlx_lm.utils import dequantize_model

    model, tokenizer = load(sys.argv[1], adapter_path=sys.argv[3] if len(sys.argv) > 3 else None)[:2]
    model = dequantize_model(model)
    model.set_dtype(mx.float32)
    render: Any = tokenizer.apply_chat_template
    for prompt in json.load(sys.stdin):
        ids = render([{"role": "user", "content": prompt}], add_generation_prompt=True)
        print(json.dumps(generate(model, tokenizer, ids, max_tokens=int(sys.argv[2]))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
