"""Tiny random models of several cache families, with a tiny byte-level tokenizer, as folders in MLX layout."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten, tree_map
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

VOCABULARY = 300
END = 256
START = 257
TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'tool' %}{{ raise_exception('no tools here') }}{% endif %}"
    "<s>{{ m.role }}: {{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<s>assistant: {% endif %}"
)
SHARED: dict[str, Any] = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCABULARY,
    "head_dim": 16,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": SHARED,
    "gemma3_text": SHARED
    | {"num_hidden_layers": 4, "sliding_window": 16, "sliding_window_pattern": 3, "query_pre_attn_scalar": 16},
    "mamba2": {
        "num_heads": 4,
        "head_dim": 16,
        "vocab_size": VOCABULARY,
        "hidden_size": 32,
        "intermediate_size": 64,
        "state_size": 16,
        "num_hidden_layers": 2,
        "layer_norm_epsilon": 1e-5,
        "conv_kernel": 4,
        "n_groups": 1,
        "use_bias": False,
        "use_conv_bias": True,
        "tie_word_embeddings": True,
        "time_step_limit": (0.0, 100.0),
        "time_step_rank": "auto",
        "max_position_embeddings": 2048,
    },
    "llama4": {
        "text_config": {
            "attention_bias": False,
            "attention_chunk_size": 32,
            "head_dim": 16,
            "hidden_size": 64,
            "interleave_moe_layer_step": 1,
            "intermediate_size": 64,
            "intermediate_size_mlp": 96,
            "max_position_embeddings": 2048,
            "model_type": "llama4_text",
            "num_attention_heads": 4,
            "num_experts_per_tok": 1,
            "num_hidden_layers": 4,
            "num_key_value_heads": 2,
            "num_local_experts": 2,
            "rms_norm_eps": 1e-5,
            "rope_scaling": None,
            "rope_theta": 10_000.0,
            "use_qk_norm": True,
            "vocab_size": VOCABULARY,
        }
    },
}


def write_model(
    folder: Path,
    family: str = "llama",
    *,
    bits: int = 0,
    dtype: mx.Dtype = mx.float32,
    sizes: Mapping[str, int] = MappingProxyType({}),
) -> Path:
    """Write a random model of `family`, of other `sizes` where some are given; the same one every time.

    `bits` quantises its layers.
    """
    folder.mkdir(parents=True, exist_ok=True)
    module = importlib.import_module(f"mlx_lm.models.{family}")
    config: dict[str, Any] = {"model_type": family, **CONFIGS[family], **sizes, "eos_token_id": END}
    mx.random.seed(7)
    model = module.Model(module.ModelArgs.from_dict(config))
    # Larger weights than the initial ones, so that the likeliest token is clearly ahead.
    model.update(tree_map(lambda array: array * 3 if array.ndim >= 2 else array, model.parameters()))
    model.set_dtype(dtype)
    if bits:
        from mlx_lm.utils import quantize_model

        model, config = quantize_model(model, config, group_size=32, bits=bits)
    _write(folder, model, config)
    return folder


def _write(folder: Path, model: Module, config: dict[str, Any]) -> None:
    parameters: Any = model.parameters
    weights: Any = dict(tree_flatten(parameters()))
    mx.save_safetensors(str(folder / "model.safetensors"), weights, metadata={"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder)


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of the 256 bytes, two special tokens and one Chinese character split in two pieces."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: token for token, letter in enumerate(alphabet)} | {"</s>": END, "<s>": START}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token=None))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["</s>", "<s>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": "</s>",
        "chat_template": TEMPLATE,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
