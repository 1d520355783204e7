"""Print the token ids that `mlx_lm.generate` chooses greedily, as JSON lines; run in a process of its own."""

from __future__ import annotations

import json
import sys
from typing import Any

from omlx_daemon.worker.backend import blas


def main() -> None:
    """Answer the prompts on stdin (a JSON list) with the model at argv[1], argv[2] tokens each."""
    blas.load()
    import mlx.core as mx
    from mlx_lm import load, stream_generate
    from mlx_lm.utils import dequantize_model

    model, tokenizer = load(sys.argv[1])[:2]
    dequantize_model(model)
    model.set_dtype(mx.float32)
    render: Any = tokenizer.apply_chat_template
    for prompt in json.load(sys.stdin):
        ids = render([{"role": "user", "content": prompt}], add_generation_prompt=True)
        answer = [step.token for step in stream_generate(model, tokenizer, ids, max_tokens=int(sys.argv[2]))]
        # The last step repeats an end token, which is no part of the answer.
        sys.stdout.write(f"{json.dumps([token for token in answer if token not in tokenizer.eos_token_ids])}\n")


if __name__ == "__main__":
    main()
