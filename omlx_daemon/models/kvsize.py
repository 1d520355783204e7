"""How many numbers a model's KV cache holds, from its `config.json` alone. An estimate: the worker measures."""

from __future__ import annotations

from collections.abc import Mapping

_LAYERS = ("num_hidden_layers", "n_layers", "n_layer", "num_layers")
_HEADS = ("num_attention_heads", "n_heads", "n_head")
_WIDTH = ("hidden_size", "d_model", "n_embd", "dim")
_WITHOUT_ROWS = ("linear", "mamba", "conv", "recurrent")
"""Layers with a state of fixed size instead of rows; small beside everything else."""


def values(config: Mapping[str, object]) -> tuple[int, int]:
    """Return the numbers held for every token, and those held however long the prompt is; zeros where unknown."""
    layers, per_layer = _first(config, _LAYERS), _per_layer(config)
    kinds = _kinds(config, layers)
    growing, sliding = kinds.count("full"), kinds.count("window")
    window = _first(config, ("sliding_window",))
    return growing * per_layer, sliding * per_layer * window


def _per_layer(config: Mapping[str, object]) -> int:
    """Return the numbers that one layer keeps of one token: keys and values, or their compressed form."""
    compressed = _first(config, ("kv_lora_rank",))
    if compressed:
        return compressed + _first(config, ("qk_rope_head_dim",)) + 2 * _first(config, ("index_head_dim",))
    heads = _first(config, _HEADS)
    width = _first(config, ("head_dim",)) or (_first(config, _WIDTH) // heads if heads else 0)
    return 2 * width * (_first(config, ("num_key_value_heads", "num_kv_heads")) or heads)


def _kinds(config: Mapping[str, object], layers: int) -> list[str]:
    """Return for every layer whether it keeps all rows (`full`), the last ones (`window`), or none (`state`)."""
    listed = config.get("layer_types")
    if isinstance(listed, list) and len(listed) == layers:
        return [_kind(str(name)) for name in listed]
    attending = config.get("full_attn_idxs")
    if isinstance(attending, list):
        return ["full" if layer in attending else "state" for layer in range(layers)]
    interval = _first(config, ("full_attention_interval",))
    if interval:
        return ["full" if (layer + 1) % interval == 0 else "state" for layer in range(layers)]
    pattern = _first(config, ("sliding_window_pattern",))
    if pattern and _first(config, ("sliding_window",)):
        return ["full" if (layer + 1) % pattern == 0 else "window" for layer in range(layers)]
    return ["full"] * layers


def _kind(name: str) -> str:
    if any(word in name for word in _WITHOUT_ROWS):
        return "state"
    return "window" if "sliding" in name or "chunked" in name else "full"


def _first(config: Mapping[str, object], keys: tuple[str, ...]) -> int:
    found = (config.get(key) for key in keys)
    return next((value for value in found if isinstance(value, int) and value is not True and value > 0), 0)
