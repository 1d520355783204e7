"""The catalog's default model, the real one: imported without loss, and it answers in English."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm import generate, load
from mlx_lm.utils import dequantize_model

from omlx_daemon.models import folder, origin

pytestmark = pytest.mark.model


def test_it_kept_its_precision(smollm2_path: Path) -> None:
    folder.verify(smollm2_path)
    config = json.loads((smollm2_path / "config.json").read_text())
    assert config["quantization"] == {
        "group_size": 32,
        "bits": 4,
        "model.embed_tokens": {"group_size": 32, "bits": 8},
    }
    record = origin.read(smollm2_path)
    assert record is not None
    assert (record.name, record.aliases) == ("smollm2:135m", ("smollm2",))


def test_it_speaks(smollm2_path: Path) -> None:
    model, tokenizer = _loaded(smollm2_path)
    messages = [{"role": "user", "content": "Write two sentences about the ocean."}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
    assert prompt[:3] == [1, 9690, 198]
    assert tokenizer.convert_ids_to_tokens(tokenizer.encode("12 apples\n")) == ["1", "2", "Ġapples", "Ċ"]
    answer = generate(model, tokenizer, prompt=prompt, max_tokens=12)
    assert answer.startswith("The ocean is a vast and mysterious realm")


def _loaded(path: Path) -> tuple[Any, Any]:
    model, tokenizer, *_ = load(str(path))
    dequantized: Any = dequantize_model(model)
    dequantized.set_dtype(mx.float32)
    return dequantized, tokenizer
