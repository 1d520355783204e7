"""The architectures that can be imported: how their tensors are named, shaped and stored in GGUF and in MLX layout."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_daemon.worker.backend.gguf.errors import damaged, unsupported
from omlx_daemon.worker.backend.gguf.metadata import Metadata

MAX_LAYERS = 1024


@dataclass(frozen=True, slots=True)
class Dimensions:
    """The sizes that every architecture here has."""

    hidden: int
    layers: int
    ffn: int
    heads: int
    kv_heads: int
    head: int
    vocab: int

    def size(self, axis: str) -> int:
        """Return the length of a named axis."""
        sizes = {
            "hidden": self.hidden,
            "ffn": self.ffn,
            "head": self.head,
            "vocab": self.vocab,
            "q": self.heads * self.head,
            "kv": self.kv_heads * self.head,
        }
        return sizes[axis]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where one tensor goes; `heads` names the axis whose rows llama.cpp permuted, `shifted` a norm stored plus 1."""

    target: str
    axes: tuple[str, ...]
    permuted: str = ""
    shifted: bool = False


@dataclass(frozen=True, slots=True)
class Architecture:
    """One architecture; `layer` is keyed by the tensor's name after `blk.N.`."""

    model_type: str
    class_name: str
    layer: dict[str, Slot]
    shifted_norms: bool = False


_PROJECTIONS = {
    "attn_v": ("self_attn.v_proj", ("kv", "hidden")),
    "attn_output": ("self_attn.o_proj", ("hidden", "q")),
    "ffn_gate": ("mlp.gate_proj", ("ffn", "hidden")),
    "ffn_up": ("mlp.up_proj", ("ffn", "hidden")),
    "ffn_down": ("mlp.down_proj", ("hidden", "ffn")),
}
_TWO_NORMS = {"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}
_FOUR_NORMS = {
    "attn_norm": "input_layernorm",
    "post_attention_norm": "post_attention_layernorm",
    "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def _layer(
    norms: dict[str, str], permuted: bool = False, shifted: bool = False, qk_norm: bool = False
) -> dict[str, Slot]:
    slots = {f"{name}.weight": Slot(target, axes) for name, (target, axes) in _PROJECTIONS.items()}
    for letter, axis in (("q", "q"), ("k", "kv")):
        slots[f"attn_{letter}.weight"] = Slot(
            f"self_attn.{letter}_proj", (axis, "hidden"), permuted=axis if permuted else ""
        )
        if qk_norm:
            slots[f"attn_{letter}_norm.weight"] = Slot(f"self_attn.{letter}_norm", ("head",), shifted=shifted)
    for name, target in norms.items():
        slots[f"{name}.weight"] = Slot(target, ("hidden",), shifted=shifted)
    return slots


_ARCHITECTURES = {
    "llama": Architecture("llama", "LlamaForCausalLM", _layer(_TWO_NORMS, permuted=True)),
    "qwen2": Architecture("qwen2", "Qwen2ForCausalLM", _layer(_TWO_NORMS)),
    "qwen3": Architecture("qwen3", "Qwen3ForCausalLM", _layer(_TWO_NORMS, qk_norm=True)),
    "gemma3": Architecture(
        "gemma3_text", "Gemma3ForCausalLM", _layer(_FOUR_NORMS, shifted=True, qk_norm=True), shifted_norms=True
    ),
}
NAMES = tuple(_ARCHITECTURES)

_Q_BIAS = "blk.0.attn_q.bias"


def find(metadata: Metadata) -> Architecture:
    """Return the architecture of a file. Raises OmlxError(UNSUPPORTED_MODEL) that names it."""
    name = metadata.architecture
    if name not in _ARCHITECTURES:
        raise unsupported(f"its architecture is {name!r}", f"these can be: {', '.join(NAMES)}")
    for key, what in ((".expert_count", "experts"), ("split.count", "more than one file")):
        if metadata.integer(key, 0) > (1 if key.startswith("split") else 0):
            raise unsupported(f"it has {what}", "a split file must be merged first" if "file" in what else "")
    return _ARCHITECTURES[name]


def dimensions(metadata: Metadata, embedding_shape: tuple[int, ...]) -> Dimensions:
    """Return the sizes, checked against each other. Raises OmlxError."""
    if len(embedding_shape) != 2:
        raise damaged(f"tensor 'token_embd.weight' has the shape {embedding_shape}")
    hidden, heads = metadata.integer(".embedding_length"), metadata.integer(".attention.head_count")
    if not heads or not hidden:
        raise damaged("it announces no heads or no width")
    sizes = Dimensions(
        hidden=hidden,
        layers=metadata.integer(".block_count"),
        ffn=metadata.integer(".feed_forward_length"),
        heads=heads,
        kv_heads=metadata.integer(".attention.head_count_kv", heads),
        head=metadata.integer(".attention.key_length", hidden // heads),
        vocab=embedding_shape[0],
    )
    if not 0 < sizes.layers <= MAX_LAYERS or not sizes.kv_heads or heads % sizes.kv_heads or sizes.head % 2:
        raise damaged("its layers, heads or head width make no sense")
    if metadata.integer(".attention.value_length", sizes.head) != sizes.head:
        raise unsupported("its keys and values differ in width")
    if metadata.integer(".rope.dimension_count", sizes.head) != sizes.head:
        raise unsupported("its rotary embedding covers a part of each head")
    return sizes


def slots(architecture: Architecture, sizes: Dimensions, present: set[str]) -> dict[str, Slot]:
    """Return where each tensor that the model must have goes, by its full name in the file.

    Biases and the output matrix are expected where the file shows the first of them.
    """
    layer = dict(architecture.layer)
    if architecture.model_type == "qwen2":
        layer |= _biases(layer, "qkv")
    elif architecture.model_type == "llama" and _Q_BIAS in present:
        layer |= _biases(layer, "qkv") | {"attn_output.bias": Slot("self_attn.o_proj", ("hidden",))}
    found = {
        "token_embd.weight": Slot("model.embed_tokens", ("vocab", "hidden")),
        "output_norm.weight": Slot("model.norm", ("hidden",), shifted=architecture.shifted_norms),
    }
    if "output.weight" in present:
        found["output.weight"] = Slot("lm_head", ("vocab", "hidden"))
    for index in range(sizes.layers):
        for name, slot in layer.items():
            found[f"blk.{index}.{name}"] = Slot(
                f"model.layers.{index}.{slot.target}", slot.axes, slot.permuted, slot.shifted
            )
    return found


def _biases(layer: dict[str, Slot], letters: str) -> dict[str, Slot]:
    weights = {letter: layer[f"attn_{letter}.weight"] for letter in letters}
    return {f"attn_{letter}.bias": Slot(slot.target, slot.axes[:1], slot.permuted) for letter, slot in weights.items()}
