"""Tiny random models, one of each family of caches that mlx-lm has."""

from __future__ import annotations

import importlib
from typing import Any

import mlx.core as mx
from mlx.utils import tree_map

VOCABULARY = 1000
_DEEPSEEK = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 128, "moe_intermediate_size": 64,
    "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "n_shared_experts": 1,
    "n_routed_experts": 4, "kv_lora_rank": 64, "q_lora_rank": 64, "qk_rope_head_dim": 32, "v_head_dim": 32,
    "qk_nope_head_dim": 32, "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1,
}  # fmt: skip
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {
        "hidden_size": 128, "num_hidden_layers": 3, "intermediate_size": 128, "num_attention_heads": 4,
        "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "vocab_size": VOCABULARY, "head_dim": 64, "rope_theta": 1e4,
        "tie_word_embeddings": True,
    },
    "gemma3_text": {
        "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 128, "num_attention_heads": 4,
        "num_key_value_heads": 1, "head_dim": 64, "vocab_size": VOCABULARY, "sliding_window": 300,
        "sliding_window_pattern": 2, "query_pre_attn_scalar": 64,
    },
    "gpt_oss": {
        "num_hidden_layers": 2, "num_local_experts": 2, "num_experts_per_tok": 2, "vocab_size": VOCABULARY,
        "hidden_size": 64, "intermediate_size": 64, "head_dim": 32, "num_attention_heads": 4,
        "num_key_value_heads": 2, "sliding_window": 128, "rope_scaling": None,
    },
    "qwen3_next": {
        "hidden_size": 64, "num_hidden_layers": 4, "intermediate_size": 128, "num_attention_heads": 4,
        "linear_num_value_heads": 4, "linear_num_key_heads": 2, "linear_key_head_dim": 32,
        "linear_value_head_dim": 32, "linear_conv_kernel_dim": 4, "num_experts": 2, "num_experts_per_tok": 2,
        "decoder_sparse_step": 1, "shared_expert_intermediate_size": 64, "mlp_only_layers": [],
        "moe_intermediate_size": 64, "rms_norm_eps": 1e-6, "vocab_size": VOCABULARY, "num_key_value_heads": 2,
        "rope_theta": 1e4, "partial_rotary_factor": 0.5, "max_position_embeddings": 8192, "head_dim": 64,
    },
    "lfm2": {
        "vocab_size": VOCABULARY, "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 8192, "norm_eps": 1e-5, "conv_bias": False,
        "conv_L_cache": 3, "block_dim": 64, "block_multiple_of": 64, "block_ffn_dim_multiplier": 1.0,
        "block_auto_adjust_ff_dim": False, "block_ff_dim": 128, "full_attn_idxs": [1, 3],
    },
    "mamba2": {
        "num_heads": 4, "head_dim": 32, "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 128,
        "state_size": 32, "num_hidden_layers": 2, "layer_norm_epsilon": 1e-5, "conv_kernel": 4, "n_groups": 1,
        "use_bias": False, "use_conv_bias": True, "tie_word_embeddings": True, "time_step_limit": (0.0, 100.0),
        "time_step_rank": "auto",
    },
    "deepseek_v3": _DEEPSEEK,
    "deepseek_v32": {**_DEEPSEEK, "index_head_dim": 64, "index_n_heads": 4, "index_topk": 128},
    "falcon_h1": {
        "head_dim": 32, "hidden_size": 64, "intermediate_size": 128, "mamba_d_conv": 4, "mamba_d_head": 32,
        "mamba_d_ssm": 128, "mamba_d_state": 32, "mamba_expand": 1, "mamba_n_groups": 1, "mamba_n_heads": 4,
        "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2, "vocab_size": VOCABULARY,
    },
    "llama4": {
        "text_config": {
            "attention_bias": False, "attention_chunk_size": 300, "head_dim": 32, "hidden_size": 64,
            "interleave_moe_layer_step": 1, "intermediate_size": 64, "intermediate_size_mlp": 128,
            "max_position_embeddings": 8192, "model_type": "llama4_text", "num_attention_heads": 4,
            "num_experts_per_tok": 1, "num_hidden_layers": 4, "num_key_value_heads": 2, "num_local_experts": 2,
            "rms_norm_eps": 1e-5, "rope_scaling": None, "rope_theta": 1e4, "use_qk_norm": True,
            "vocab_size": VOCABULARY,
        },
    },
    "rwkv7": {
        "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 128, "norm_eps": 1e-5, "head_dim": 32,
        "num_hidden_layers": 2, "a_low_rank_dim": 32, "v_low_rank_dim": 32, "gate_low_rank_dim": 32,
        "decay_low_rank_dim": 32, "tie_word_embeddings": False,
    },
    "recurrent_gemma": {
        "attention_bias": False, "conv1d_width": 4, "hidden_size": 64, "intermediate_size": 128,
        "logits_soft_cap": 30.0, "num_attention_heads": 4, "num_hidden_layers": 3, "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6, "rope_theta": 1e4, "attention_window_size": 300, "vocab_size": VOCABULARY,
        "block_types": ["recurrent", "recurrent", "attention"],
    },
}  # fmt: skip


def make(name: str) -> Any:
    """Return a model with random float32 weights, large enough that its logits are not flat."""
    mx.random.seed(0)
    module = importlib.import_module(f"mlx_lm.models.{name}")
    arguments = module.ModelArgs.from_dict({"model_type": name, **CONFIGS[name]})
    model = module.Model(arguments)
    model.update(tree_map(lambda weight: weight * 3 if weight.ndim >= 2 else weight, model.parameters()))
    mx.eval(model.parameters())
    model.eval()
    return model
