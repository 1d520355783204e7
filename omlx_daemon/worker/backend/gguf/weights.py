"""One tensor's blocks become MLX arrays.

Q4_0, Q4_1, Q4_K, Q5_0, Q5_1, Q5_K and Q8_0 say `scale * q + bias` over 32 values, which is MLX's affine form with
groups of 32: their numbers are kept and only moved into MLX's packing. The other K types have groups of 16, which
MLX lacks: they are requantised to 8 bits, which adds next to no error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mlx.core as mx
import numpy as np
import numpy.typing as npt
from gguf import quants
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from omlx_daemon.worker.backend.gguf.errors import unsupported
from omlx_daemon.worker.backend.gguf.header import Tensor

Kind = GGMLQuantizationType
Bytes = npt.NDArray[np.uint8]
Halves = npt.NDArray[np.float16]

GROUP = 32
REQUANTISED_BITS = 8
REQUANTISE_CHUNK_VALUES = 1 << 26

DENSE = {Kind.F32: mx.float32, Kind.F16: mx.float16, Kind.BF16: mx.bfloat16}
REQUANTISED = frozenset({Kind.Q2_K, Kind.Q3_K, Kind.Q6_K})


@dataclass(frozen=True, slots=True)
class Weight:
    """One weight in MLX layout: `arrays` by suffix (`weight`, `scales`, `biases`); `bits` 0 is not quantised."""

    arrays: dict[str, mx.array]
    bits: int = 0

    @property
    def quantization(self) -> dict[str, int] | None:
        """The entry for the config's `quantization`, or None."""
        return {"group_size": GROUP, "bits": self.bits} if self.bits else None


def bits_of(kind: Kind) -> int:
    """Return the bits that a matrix of `kind` has in MLX layout, 0 for a dense one. Raises OmlxError."""
    if kind in DENSE:
        return 0
    if kind in REQUANTISED:
        return REQUANTISED_BITS
    if kind in _EXACT:
        return _EXACT[kind].bits
    names = ", ".join(sorted(known.name for known in (*DENSE, *_EXACT, *REQUANTISED)))
    raise unsupported(f"its weights are of type {kind.name}", f"these can be: {names}")


def matrix(tensor: Tensor, data: Bytes, dtype: mx.Dtype, reorder: Callable[[Any], Any]) -> Weight:
    """Return a matrix of `tensor` from its bytes; dense ones in `dtype`, `reorder` applied to the rows."""
    if tensor.kind in DENSE:
        return Weight({"weight": mx.array(reorder(_dense(tensor, data))).astype(dtype)})
    if tensor.kind in REQUANTISED:
        return _requantise(tensor, data, dtype, reorder)
    layout = _EXACT[tensor.kind]
    block_values, block_bytes = GGML_QUANT_SIZES[tensor.kind]
    rows, columns = tensor.shape
    blocks = data.reshape(rows * columns // block_values, block_bytes)
    parts: tuple[npt.NDArray[Any], ...] = layout.unpack(blocks)
    arrays = [mx.array(np.ascontiguousarray(reorder(part.reshape(rows, -1)))) for part in parts]
    return Weight(dict(zip(("weight", "scales", "biases"), arrays, strict=True)), layout.bits)


def vector(tensor: Tensor, data: Bytes, dtype: mx.Dtype, add: float = 0.0) -> mx.array:
    """Return a tensor of one axis, dense in `dtype`, with `add` added before it is rounded."""
    values = np.asarray(quants.dequantize(data, tensor.kind), dtype=np.float32).reshape(tensor.shape)
    return mx.array(values + np.float32(add)).astype(dtype)


def _dense(tensor: Tensor, data: Bytes) -> npt.NDArray[Any]:
    if tensor.kind is Kind.BF16:
        return np.asarray(quants.dequantize(data, tensor.kind)).reshape(tensor.shape)
    return data.view(np.float32 if tensor.kind is Kind.F32 else np.float16).reshape(tensor.shape)


def _requantise(tensor: Tensor, data: Bytes, dtype: mx.Dtype, reorder: Callable[[Any], Any]) -> Weight:
    rows, columns = tensor.shape
    by_row = data.reshape(rows, -1)
    step = max(1, REQUANTISE_CHUNK_VALUES // columns)
    parts: list[tuple[mx.array, ...]] = []
    for start in range(0, rows, step):
        values = quants.dequantize(by_row[start : start + step], tensor.kind)
        quantised = mx.quantize(mx.array(values), group_size=GROUP, bits=REQUANTISED_BITS)
        mx.eval(*quantised)
        parts.append(tuple(quantised))
    packed, scales, biases = (
        np.concatenate([np.asarray(part) for part in column]) for column in zip(*parts, strict=True)
    )
    arrays = {
        "weight": mx.array(reorder(packed)),
        "scales": mx.array(reorder(scales)).astype(dtype),
        "biases": mx.array(reorder(biases)).astype(dtype),
    }
    return Weight(arrays, REQUANTISED_BITS)


Parts = tuple[npt.NDArray[np.uint32], Halves, Halves]


@dataclass(frozen=True, slots=True)
class _Layout:
    bits: int
    unpack: Callable[[Bytes], Parts]


def _half(blocks: Bytes, at: int) -> Halves:
    return np.ascontiguousarray(blocks[:, at : at + 2]).view(np.float16)


def _pack_nibbles(values: Bytes) -> npt.NDArray[np.uint32]:
    """Pack (..., 32) values of 4 bits, the first lowest."""
    pairs: Bytes = values[..., 0::2] | (values[..., 1::2] << np.uint8(4))
    return np.ascontiguousarray(pairs).view("<u4")


def _both_nibbles(packed: Bytes, axis: int = -1) -> Bytes:
    """Return all low nibbles, then all high ones, along `axis`: the order of values in a block."""
    return np.concatenate([packed & np.uint8(15), packed >> np.uint8(4)], axis=axis)


def _q4_0(blocks: Bytes) -> Parts:
    scales = _half(blocks, 0)
    return _pack_nibbles(_both_nibbles(blocks[:, 2:])), scales, scales * np.float16(-8)


def _q4_1(blocks: Bytes) -> Parts:
    return _pack_nibbles(_both_nibbles(blocks[:, 4:])), _half(blocks, 0), _half(blocks, 2)


def _q8_0(blocks: Bytes) -> Parts:
    scales = _half(blocks, 0)
    unsigned: Bytes = blocks[:, 2:] ^ np.uint8(0x80)
    return np.ascontiguousarray(unsigned).view("<u4"), scales, scales * np.float16(-128)


def _k_scales(blocks: Bytes) -> tuple[Halves, Halves]:
    """Return the scales and biases of the eight groups in each block of a K type, rounded to float16."""
    factors, minima = quants.Q4_K.get_scale_min(np.ascontiguousarray(blocks[:, 4:16]))
    scales = _half(blocks, 0).astype(np.float32) * factors
    biases = _half(blocks, 2).astype(np.float32) * minima * -1
    return scales.astype(np.float16), biases.astype(np.float16)


def _k_nibbles(packed: Bytes) -> Bytes:
    """Unpack 128 bytes into 256 values: two groups of 32 share 32 bytes, the first has the low nibbles."""
    return _both_nibbles(packed.reshape(-1, 4, 1, 32), axis=2).reshape(-1, 8, 32)


def _q4_k(blocks: Bytes) -> Parts:
    return _pack_nibbles(_k_nibbles(blocks[:, 16:])), *_k_scales(blocks)


def _q5_k(blocks: Bytes) -> Parts:
    shifts = np.arange(8, dtype=np.uint8).reshape(1, 8, 1)
    high: Bytes = (blocks[:, 16:48].reshape(-1, 1, 32) >> shifts) & np.uint8(1)
    return _pack_fives(_k_nibbles(blocks[:, 48:]), high), *_k_scales(blocks)


def _q5_0(blocks: Bytes) -> Parts:
    scales = _half(blocks, 0)
    return _pack_fives(_both_nibbles(blocks[:, 6:]), _bits(blocks[:, 2:6])), scales, scales * np.float16(-16)


def _q5_1(blocks: Bytes) -> Parts:
    return _pack_fives(_both_nibbles(blocks[:, 8:]), _bits(blocks[:, 4:8])), _half(blocks, 0), _half(blocks, 2)


def _bits(packed: Bytes) -> Bytes:
    return np.unpackbits(packed, axis=-1, bitorder="little")


def _pack_fives(low: Bytes, high: Bytes) -> npt.NDArray[np.uint32]:
    """Pack values of 5 bits, given as 4 low bits and a high one: eight in five bytes, the first lowest."""
    values: Bytes = (low | (high << np.uint8(4))).reshape(-1, 8)
    words = np.zeros(len(values), dtype="<u8")
    for place in range(8):
        words |= values[:, place].astype(np.uint64) << np.uint64(5 * place)
    return np.ascontiguousarray(words.view(np.uint8).reshape(-1, 8)[:, :5]).reshape(-1, 20).view("<u4")


_EXACT = {
    Kind.Q4_0: _Layout(4, _q4_0),
    Kind.Q4_1: _Layout(4, _q4_1),
    Kind.Q4_K: _Layout(4, _q4_k),
    Kind.Q5_0: _Layout(5, _q5_0),
    Kind.Q5_1: _Layout(5, _q5_1),
    Kind.Q5_K: _Layout(5, _q5_k),
    Kind.Q8_0: _Layout(8, _q8_0),
}
