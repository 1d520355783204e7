"""What a KV cache holds, from the configuration, against what mlx-lm's own classes hold."""

from __future__ import annotations

from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache

from omlx_daemon.models import kvsize
from tests.cache.tiny import CONFIGS, make

PLAIN = {"num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 512}


@pytest.mark.parametrize(
    ("more", "per_token", "fixed"),
    [
        ({}, 4 * 2 * 64 * 8, 0),
        ({"num_key_value_heads": 2}, 4 * 2 * 64 * 2, 0),
        ({"num_key_value_heads": 2, "head_dim": 128}, 4 * 2 * 128 * 2, 0),
        ({"kv_lora_rank": 500, "qk_rope_head_dim": 64}, 4 * 564, 0),
        (
            {"layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window": 100},
            2 * 1024,
            2 * 1024 * 100,
        ),
        ({"sliding_window_pattern": 4, "sliding_window": 10}, 1024, 3 * 1024 * 10),
        ({"full_attention_interval": 2}, 2 * 1024, 0),
        ({"layer_types": ["linear_attention", "mamba", "conv", "full_attention"]}, 1024, 0),
        ({"sliding_window": 4096}, 4 * 1024, 0),
    ],
)
def test_values(more: dict[str, object], per_token: int, fixed: int) -> None:
    assert kvsize.values(PLAIN | more) == (per_token, fixed)


@pytest.mark.parametrize("config", [{}, {"num_hidden_layers": "4"}, {"num_hidden_layers": True, "head_dim": None}])
def test_a_configuration_that_says_nothing_gives_nothing(config: dict[str, object]) -> None:
    assert kvsize.values(config) == (0, 0)


EXACT = ("llama", "gemma3_text", "deepseek_v3", "lfm2")
SPARSER = ("falcon_h1", "deepseek_v32", "gpt_oss", "llama4", "recurrent_gemma", "qwen3_next")


@pytest.mark.parametrize("family", [*EXACT, *SPARSER, "mamba2", "rwkv7"])
def test_the_families_hold_what_was_said_or_less(family: str) -> None:
    config = CONFIGS[family]
    per_token, fixed = kvsize.values(config.get("text_config", config))
    held = rows_of(make(family), 768), rows_of(make(family), 1280)
    grown = (held[1] - held[0]) / 512
    if family in EXACT:
        assert per_token == grown
        # A window's buffer may hold a step more than the window, and a convolution has a small state.
        assert fixed <= held[1] - per_token * 1280 <= 2 * fixed + held[1] / 100
    elif family in SPARSER:
        assert per_token >= grown
    else:
        assert per_token == grown == 0


def rows_of(model: Any, tokens: int) -> float:
    """Return the numbers that the cache of a prompt holds, as 32-bit ones."""
    cache = make_prompt_cache(model)
    for start in range(0, tokens, 256):
        mx.eval(model(mx.array([list(range(start % 500, start % 500 + 256))]), cache=cache))
    return sum(int(layer.nbytes) for layer in cache) / 4
