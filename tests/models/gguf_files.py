"""Tiny GGUF files of each architecture, written from the weights of an mlx_lm model as llama.cpp would store them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from mlx.utils import tree_flatten

Floats = npt.NDArray[np.float32]
Kind = GGMLQuantizationType

VOCAB = 320
BYTES = 256
SHARED = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": VOCAB,
    "head_dim": 16,
    "rope_theta": 10_000.0,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": SHARED,
    "qwen2": SHARED,
    "qwen3": SHARED | {"head_dim": 32},
    "gemma3": SHARED
    | {
        "num_hidden_layers": 7,
        "head_dim": 32,
        "query_pre_attn_scalar": 32,
        "sliding_window": 8,
        "rope_theta": 1_000_000.0,
    },
}
_TWO = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
_FOUR = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
_MODULES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def model_of(architecture: str, seed: int = 0, **changes: Any) -> Any:
    """Return a random model of the architecture, with weights large enough to tell layers apart."""
    mx.random.seed(seed)
    name = "gemma3_text" if architecture == "gemma3" else architecture
    module = importlib.import_module(f"mlx_lm.models.{name}")
    model = module.Model(module.ModelArgs.from_dict({"model_type": name, **CONFIGS[architecture], **changes}))
    noise = [(key, value + 0.2 * mx.random.normal(value.shape)) for key, value in parameters(model)]
    if getattr(model, "tie_word_embeddings", None) is False and changes.get("tie_word_embeddings", True):
        noise = list(model.sanitize({key: value for key, value in noise if "lm_head" not in key}).items())
    model.load_weights(noise)
    mx.eval(model.parameters())
    return model


def parameters(model: Any) -> list[tuple[str, mx.array]]:
    """Return the model's parameters by name."""
    flat: Any = tree_flatten(model.parameters())
    return list(flat)


def weights_of(model: Any) -> dict[str, Floats]:
    """Return the model's parameters as numpy arrays."""
    return {name: np.array(value, dtype=np.float32) for name, value in parameters(model)}


def stored(architecture: str, name: str, value: Floats, config: dict[str, Any]) -> tuple[str, Floats]:
    """Return a parameter's name and values as llama.cpp's converter writes them."""
    if architecture == "gemma3" and "norm" in name:
        value = value + 1
    if architecture == "llama" and ("q_proj" in name or "k_proj" in name):
        heads = config["num_attention_heads" if "q_proj" in name else "num_key_value_heads"]
        halves = value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:])
        value = halves.swapaxes(1, 2).reshape(value.shape)
    return _name(architecture, name), np.ascontiguousarray(value)


def _name(architecture: str, name: str) -> str:
    whole = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if name in whole:
        return whole[name]
    _, _, layer, rest = name.split(".", 3)
    module, suffix = rest.rsplit(".", 1)
    norms = _FOUR if architecture == "gemma3" else _TWO
    return f"blk.{layer}.{(_MODULES | norms)[module]}.{suffix}"


class File:
    """A GGUF file in the making; every part can be changed or left out before `write`."""

    def __init__(self, architecture: str, model: Any, kind: Kind = Kind.F32, **changes: Any) -> None:
        self.architecture = architecture
        self.config = CONFIGS[architecture] | changes
        self.pairs: dict[str, Any] = self._pairs()
        self.lists: dict[str, list[Any]] = byte_tokens()
        self.tensors: dict[str, tuple[npt.NDArray[Any], Kind]] = {}
        for name, value in weights_of(model).items():
            full, values = stored(architecture, name, value, self.config)
            self.tensors[full] = (values, kind if values.ndim > 1 else Kind.F32)

    def _pairs(self) -> dict[str, Any]:
        config, prefix = self.config, self.architecture
        pairs = {
            f"{prefix}.context_length": config["max_position_embeddings"],
            f"{prefix}.embedding_length": config["hidden_size"],
            f"{prefix}.block_count": config["num_hidden_layers"],
            f"{prefix}.feed_forward_length": config["intermediate_size"],
            f"{prefix}.attention.head_count": config["num_attention_heads"],
            f"{prefix}.attention.head_count_kv": config["num_key_value_heads"],
            f"{prefix}.attention.key_length": config["head_dim"],
            f"{prefix}.attention.value_length": config["head_dim"],
            f"{prefix}.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
            f"{prefix}.rope.freq_base": config["rope_theta"],
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "qwen2",
            "tokenizer.ggml.bos_token_id": BYTES,
            "tokenizer.ggml.eos_token_id": BYTES + 1,
            "tokenizer.chat_template": "{% for m in messages %}<|user|>{{ m['content'] }}{% endfor %}",
        }
        if self.architecture == "gemma3":
            pairs["gemma3.attention.sliding_window"] = config["sliding_window"]
        return pairs

    def write(self, path: Path) -> Path:
        """Write the file and return its path."""
        writer = GGUFWriter(path, self.architecture)
        for key, value in self.pairs.items():
            _add(writer, key, value)
        for key, items in self.lists.items():
            writer.add_array(key, items)
        for name, (values, kind) in self.tensors.items():
            packed = values if values.dtype == np.uint8 else quants.quantize(values, kind)
            writer.add_tensor(name, np.asarray(packed), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path


def _add(writer: GGUFWriter, key: str, value: object) -> None:
    add: dict[type, Callable[[str, Any], None]] = {
        str: writer.add_string,
        bool: writer.add_bool,
        int: writer.add_uint32,
        float: writer.add_float32,
    }
    add[type(value)](key, value)


def byte_tokens() -> dict[str, list[Any]]:
    """Return a byte-level vocabulary: the 256 bytes, two control tokens, and one merge."""
    letters = byte_letters()
    tokens = [*letters, "<|start|>", "<|end|>", "th", *(f"<|spare{i}|>" for i in range(VOCAB - BYTES - 3))]
    kinds = [TokenType.NORMAL] * BYTES + [TokenType.CONTROL] * 2 + [TokenType.NORMAL]
    kinds += [TokenType.UNUSED] * (VOCAB - len(kinds))
    return {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kind) for kind in kinds],
        "tokenizer.ggml.merges": ["t h"],
    }


def byte_letters() -> list[str]:
    """Return the printable stand-in of each byte, as byte-level BPE writes them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) if byte in plain else chr(256 + others.index(byte)) for byte in range(256)]
