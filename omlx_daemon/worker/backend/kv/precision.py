"""How rows are stored: as they are, or quantised in groups along a row's width."""

from __future__ import annotations

from dataclasses import dataclass

import mlx.core as mx

from omlx_daemon.worker.backend.kv.leaves import Field
from omlx_daemon.worker.backend.kv.rows import Arrays

EXACT_BITS = 16
_GROUP_WIDTHS = (64, 32)
_WORD_BITS = 32


@dataclass(frozen=True)
class Precision:
    """Bits of a stored value: 16 stores what is there, 8 and 4 quantise. Recurrent state is always stored as it is."""

    bits: int = EXACT_BITS

    def __post_init__(self) -> None:
        """Raise ValueError for other bits."""
        if self.bits not in (4, 8, EXACT_BITS):
            raise ValueError(f"KV is stored with 16, 8 or 4 bits, not {self.bits}")

    def stored(self, field: Field) -> tuple[Field, ...]:
        """Return the arrays that a field of rows is stored as."""
        group = self._group_width(field)
        if not group:
            return (field,)
        heads, width = field.shape
        packed = Field(f"{field.name}.q", (heads, width * self.bits // _WORD_BITS), mx.uint32)
        scales = Field(f"{field.name}.s", (heads, width // group), field.dtype)
        return (packed, scales, Field(f"{field.name}.b", scales.shape, field.dtype))

    def encode(self, field: Field, array: mx.array) -> Arrays:
        """Return a field's array as it is stored, by name."""
        group = self._group_width(field)
        if not group:
            return {field.name: array}
        names = [stored.name for stored in self.stored(field)]
        return dict(zip(names, mx.quantize(array, group_size=group, bits=self.bits), strict=True))

    def decode(self, field: Field, arrays: Arrays) -> mx.array:
        """Return the field's array from its stored ones."""
        group = self._group_width(field)
        if not group:
            return arrays[field.name]
        packed, scales, biases = (arrays[stored.name] for stored in self.stored(field))
        return mx.dequantize(packed, scales, biases, group_size=group, bits=self.bits)

    def _group_width(self, field: Field) -> int:
        if self.bits == EXACT_BITS or not mx.issubdtype(field.dtype, mx.floating):
            return 0
        return next((width for width in _GROUP_WIDTHS if field.shape[1] % width == 0), 0)
