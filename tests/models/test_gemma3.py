"""Gemma 3 270M, the real one: K-type weights, a vocabulary of pieces with scores, and it goes on as it should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm import load

from omlx_daemon.models import folder

pytestmark = pytest.mark.model
PROMPT = "Once upon a time, in a small village"
ANSWER = " in the heart of the country, there lived a family of four"
CODE = "def fibonacci(n):\n"
CODE_ANSWER = "    if n == 0:\n        return 0\n"
"""What transformers, too, answers with this file's weights."""


@pytest.fixture(scope="module")
def loaded(wide_gemma3_path: Path) -> tuple[Any, Any]:
    model, tokenizer, *_ = load(str(wide_gemma3_path))
    wide: Any = model
    wide.set_dtype(mx.float32)
    return wide, tokenizer


def test_it_kept_its_precision_and_its_windows(gemma3_path: Path) -> None:
    folder.verify(gemma3_path)
    config = json.loads((gemma3_path / "config.json").read_text())
    assert (config["model_type"], config["sliding_window"], config["sliding_window_pattern"]) == ("gemma3_text", 512, 6)
    packed = config["quantization"]
    assert (packed["bits"], packed["model.embed_tokens"]["bits"]) == (5, 8)
    assert {entry["bits"] for name, entry in packed.items() if name.startswith("model.layers")} == {4, 8}


def test_its_pieces_are_those_of_sentencepiece(loaded: tuple[Any, Any]) -> None:
    encode, pieces = loaded[1].encode, loaded[1].convert_ids_to_tokens
    assert encode(PROMPT) == [2, 14946, 3324, 496, 990, 236764, 528, 496, 1944, 9744]
    assert pieces(encode("naïve 🦊, 日本語"))[1:] == ["na", "ï", "ve", "▁", "🦊", ",", "▁日本", "語"]
    assert [len(piece) for piece in pieces(encode("x" + 33 * " " + "y" + 40 * "\n"))[1:]] == [1, 31, 2, 1, 31, 9]
    assert loaded[1].decode(encode("a  b\tc\n")[1:]) == "a  b\tc\n"


@pytest.mark.parametrize(("prompt", "answer"), [(PROMPT, ANSWER), (CODE, CODE_ANSWER)])
def test_each_token_of_a_greedy_answer_is_the_likeliest(loaded: tuple[Any, Any], prompt: str, answer: str) -> None:
    model, tokenizer = loaded
    ids, start = tokenizer.encode(prompt + answer), len(tokenizer.encode(prompt))
    likeliest: Any = mx.argmax(model(mx.array([ids]))[0], axis=-1).tolist()
    assert likeliest[start - 1 : -1] == ids[start:]
