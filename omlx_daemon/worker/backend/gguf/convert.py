"""A GGUF file becomes a folder in MLX layout, tensor by tensor, so that memory stays at one shard."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np

from omlx_daemon.worker.backend.gguf import architectures, config, header, rope, tokenizer, weights
from omlx_daemon.worker.backend.gguf.architectures import Dimensions, Slot
from omlx_daemon.worker.backend.gguf.errors import damaged, unsupported
from omlx_daemon.worker.backend.gguf.header import Header, Tensor
from omlx_daemon.worker.backend.gguf.metadata import Metadata

SHARD_BYTES = 2 << 30

Progress = Callable[[int, int], None]
"""Told the bytes done and the bytes in all."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that is decided before the first weight is read."""

    metadata: Metadata
    sizes: Dimensions
    slots: dict[str, Slot]
    tensors: dict[str, Tensor]
    dtype: mx.Dtype
    config: config.Config


def convert(source: Path, target: Path, progress: Progress, shard_bytes: int = SHARD_BYTES) -> None:
    """Write the model in the GGUF file `source` into the folder `target`, which must exist.

    Raises OmlxError(UNSUPPORTED_MODEL) for what cannot be imported, OSError where a file cannot be written.
    """
    head = header.read(source)
    plan = _plan(head, source)
    built = tokenizer.build(plan.metadata, plan.sizes.vocab)
    quantization = _write_weights(plan, source, target, progress, shard_bytes)
    settings = plan.config | {"bos_token_id": built.bos_id, "eos_token_id": built.eos_ids}
    if quantization:
        settings |= {"quantization": quantization, "quantization_config": quantization}
    _write_json(target / "config.json", settings)
    _write_json(target / "generation_config.json", {"bos_token_id": built.bos_id, "eos_token_id": built.eos_ids})
    built.tokenizer.save(str(target / "tokenizer.json"))
    _write_json(target / "tokenizer_config.json", built.config)
    if built.template:
        (target / "chat_template.jinja").write_text(built.template, encoding="utf-8")


def _plan(head: Header, source: Path) -> _Plan:
    metadata = Metadata(head.metadata)
    architecture = architectures.find(metadata)
    embedding = head.tensors.get("token_embd.weight")
    if embedding is None:
        raise damaged("tensor 'token_embd.weight' is missing")
    sizes = architectures.dimensions(metadata, embedding.shape)
    present = set(head.tensors)
    slots = architectures.slots(architecture, sizes, present)
    _check_tensors(head.tensors, slots, sizes)
    divisors = _divisors(head.tensors.get(rope.FREQUENCIES), source, sizes)
    dtype = _dtype(tensor for name, tensor in head.tensors.items() if name in slots)
    settings = config.build(metadata, architecture, sizes, present, divisors)
    settings["dtype"] = str(dtype).removeprefix("mlx.core.")
    return _Plan(metadata, sizes, slots, head.tensors, dtype, settings)


def _check_tensors(tensors: dict[str, Tensor], slots: dict[str, Slot], sizes: Dimensions) -> None:
    for name, slot in slots.items():
        tensor = tensors.get(name)
        if tensor is None:
            raise damaged(f"tensor {name!r} is missing")
        expected = tuple(sizes.size(axis) for axis in slot.axes)
        if tensor.shape != expected:
            raise damaged(f"tensor {name!r} has the shape {tensor.shape}, not {expected}")
        weights.bits_of(tensor.kind)
    extra = sorted(set(tensors) - set(slots) - {rope.FREQUENCIES})
    if extra:
        raise unsupported(f"it has the tensor {extra[0]!r}, which its architecture does not know here")


def _dtype(tensors: Iterable[Tensor]) -> mx.Dtype:
    """Return the type of everything that is not packed: what the dense matrices have, else float16."""
    kinds = {tensor.kind for tensor in tensors if len(tensor.shape) > 1}
    if any(weights.bits_of(kind) for kind in kinds) or weights.Kind.F16 in kinds:
        return mx.float16
    return mx.bfloat16 if weights.Kind.BF16 in kinds else mx.float32


def _divisors(tensor: Tensor | None, source: Path, sizes: Dimensions) -> list[float] | None:
    if tensor is None:
        return None
    if tensor.shape != (sizes.head // 2,) or tensor.kind is not weights.Kind.F32:
        raise damaged(f"tensor {tensor.name!r} has the shape {tensor.shape} and the type {tensor.kind.name}")
    values = [float(value) for value in _bytes(source, tensor).view(np.float32)]
    return None if all(value == 1.0 for value in values) else values


def _bytes(source: Path, tensor: Tensor) -> weights.Bytes:
    return np.fromfile(source, dtype=np.uint8, count=tensor.size_bytes, offset=tensor.offset)


def _write_weights(
    plan: _Plan, source: Path, target: Path, progress: Progress, shard_bytes: int
) -> dict[str, object] | None:
    shards = _shards([plan.tensors[name] for name in plan.slots], shard_bytes)
    total = sum(tensor.size_bytes for shard in shards for tensor in shard)
    quantized: dict[str, dict[str, int]] = {}
    placed: dict[str, str] = {}
    done = 0
    for number, shard in enumerate(shards, 1):
        file = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        arrays: dict[str, mx.array] = {}
        for tensor in shard:
            arrays |= _arrays(plan, source, tensor, quantized)
            done += tensor.size_bytes
            progress(done, total)
        mx.save_safetensors(str(target / file), arrays, metadata={"format": "mlx"})
        placed |= dict.fromkeys(arrays, file)
    if len(shards) > 1:
        _write_json(target / "model.safetensors.index.json", {"metadata": {}, "weight_map": placed})
    return _quantization(quantized)


def _arrays(plan: _Plan, source: Path, tensor: Tensor, quantized: dict[str, dict[str, int]]) -> dict[str, mx.array]:
    slot = plan.slots[tensor.name]
    data = _bytes(source, tensor)
    reorder = _unpermute(plan.sizes, slot.permuted)
    if len(slot.axes) == 1:
        suffix = "bias" if tensor.name.endswith(".bias") else "weight"
        values = weights.vector(tensor, data, plan.dtype, -1.0 if slot.shifted else 0.0)
        return {f"{slot.target}.{suffix}": mx.array(reorder(np.asarray(values)) if slot.permuted else values)}
    weight = weights.matrix(tensor, data, plan.dtype, reorder)
    if weight.quantization:
        quantized[slot.target] = weight.quantization
    return {f"{slot.target}.{suffix}": array for suffix, array in weight.arrays.items()}


def _unpermute(sizes: Dimensions, axis: str) -> Callable[[Any], Any]:
    """Return what undoes llama.cpp's order of a head's rows: pairs (i, i + half) stand side by side there."""
    if not axis:
        return lambda rows: rows
    heads = sizes.size(axis) // sizes.head

    def undo(rows: Any) -> Any:
        by_pair = rows.reshape(heads, sizes.head // 2, 2, *rows.shape[1:])
        return np.ascontiguousarray(by_pair.swapaxes(1, 2).reshape(rows.shape))

    return undo


def _shards(tensors: list[Tensor], limit_bytes: int) -> list[list[Tensor]]:
    shards: list[list[Tensor]] = [[]]
    room = limit_bytes
    for tensor in tensors:
        if tensor.size_bytes > room and shards[-1]:
            shards.append([])
            room = limit_bytes
        shards[-1].append(tensor)
        room -= tensor.size_bytes
    return shards


def _quantization(quantized: dict[str, dict[str, int]]) -> dict[str, object] | None:
    """Return the config's entry: the most frequent setting for all, the others by name."""
    if not quantized:
        return None
    bits = [entry["bits"] for entry in quantized.values()]
    usual = max(set(bits), key=bits.count)
    others = {name: entry for name, entry in quantized.items() if entry["bits"] != usual}
    return {"group_size": weights.GROUP, "bits": usual, **others}


def _write_json(path: Path, document: dict[str, object]) -> None:
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
