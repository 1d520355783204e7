"""`config.json` and `generation_config.json` from a GGUF file's metadata."""

from __future__ import annotations

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.worker.backend.gguf import rope
from omlx_daemon.worker.backend.gguf.architectures import Architecture, Dimensions
from omlx_daemon.worker.backend.gguf.errors import unsupported
from omlx_daemon.worker.backend.gguf.metadata import Metadata

GEMMA3_LOCAL_BASE = 10_000.0
GEMMA3_PATTERN = 6
GEMMA3_27B_LAYERS = 62
"""The one Gemma 3 that scales queries by width over heads rather than by the head's width."""

Config = dict[str, object]


def build(
    metadata: Metadata,
    architecture: Architecture,
    sizes: Dimensions,
    present: set[str],
    divisors: list[float] | None,
) -> Config:
    """Return the model's config without its quantisation. Raises OmlxError for what MLX's model code lacks."""
    base = metadata.number(".rope.freq_base", 1e6 if architecture.model_type == "gemma3_text" else 1e4)
    config: Config = {
        "architectures": [architecture.class_name],
        "model_type": architecture.model_type,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "intermediate_size": sizes.ffn,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "head_dim": sizes.head,
        "rms_norm_eps": metadata.number(".attention.layer_norm_rms_epsilon"),
        "vocab_size": sizes.vocab,
        "max_position_embeddings": metadata.integer(".context_length"),
        "rope_theta": base,
        "tie_word_embeddings": "output.weight" not in present,
    }
    if metadata.has("general.license"):
        config["license"] = metadata.text("general.license")
    scaling = rope.llama3_scaling(divisors, base) if divisors else rope.scaling(metadata)
    if scaling:
        config["rope_scaling"] = scaling
    extra = {"llama": _llama, "qwen2": _qwen2, "gemma3_text": _gemma3}.get(architecture.model_type)
    if extra:
        config |= extra(metadata, sizes, present)
    return config


def _llama(metadata: Metadata, sizes: Dimensions, present: set[str]) -> Config:
    return {"attention_bias": "blk.0.attn_q.bias" in present, "mlp_bias": False}


def _qwen2(metadata: Metadata, sizes: Dimensions, present: set[str]) -> Config:
    if sizes.head * sizes.heads != sizes.hidden:
        raise unsupported("its heads do not add up to its width")
    return {"attention_bias": True}


def _gemma3(metadata: Metadata, sizes: Dimensions, present: set[str]) -> Config:
    scalar = sizes.hidden // sizes.heads if sizes.layers == GEMMA3_27B_LAYERS else sizes.head
    return {
        "rope_local_base_freq": metadata.number(".rope.freq_base_swa", GEMMA3_LOCAL_BASE),
        "query_pre_attn_scalar": scalar,
        "sliding_window": metadata.integer(".attention.sliding_window"),
        "sliding_window_pattern": _pattern(metadata, sizes),
        "hidden_activation": "gelu_pytorch_tanh",
    }


def _pattern(metadata: Metadata, sizes: Dimensions) -> int:
    """Return the number of layers from one global layer to the next; the key is a count or one flag a layer."""
    key = ".attention.sliding_window_pattern"
    if not metadata.has(key):
        return GEMMA3_PATTERN
    try:
        return metadata.integer(key)
    except OmlxError as error:
        flags = [bool(flag) for flag in metadata.numbers(key)]
        pattern = flags.index(False) + 1 if False in flags else GEMMA3_PATTERN
        if flags != [(index + 1) % pattern != 0 for index in range(sizes.layers)]:
            raise unsupported("its window layers follow no fixed pattern") from error
        return pattern
