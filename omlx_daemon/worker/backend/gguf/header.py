"""A GGUF file's header: metadata and the table of tensors, read with every length checked against the file.

The header is somebody else's data: counts, lengths, offsets and types are refused before they are used.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from omlx_daemon.worker.backend.gguf.errors import damaged, unsupported

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MAX_DIMENSIONS = 4
MAX_NAME_BYTES = 256
DEFAULT_ALIGNMENT = 32

Value = int | float | bool | str | list["Value"]

_UINT32 = struct.Struct("<I")
_UINT64 = struct.Struct("<Q")
_STRING = 8
_ARRAY = 9
_SCALARS = {
    kind: struct.Struct("<" + letter) for kind, letter in zip((*range(8), 10, 11, 12), "BbHhIif?QqdQ", strict=False)
}
_MIN_PAIR_BYTES = 13
_MIN_TENSOR_BYTES = 8 + 4 + 8 + 4 + 8


@dataclass(frozen=True, slots=True)
class Tensor:
    """One entry of the table: `shape` is row-major (the fastest axis last), `offset` counts from the file's start."""

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Header:
    """All that stands before the tensors' data."""

    metadata: dict[str, Value]
    tensors: dict[str, Tensor]


def read(path: Path) -> Header:
    """Return the header of the GGUF file at `path`.

    Raises OmlxError(UNSUPPORTED_MODEL) for a damaged file or one of an unknown version, OSError for an unreadable one.
    """
    with path.open("rb") as file:
        if path.stat().st_size < len(MAGIC) + 4 + 16:
            raise damaged("it is too short to hold a header")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data).header()


class _Reader:
    """A cursor over the file that never passes its end."""

    def __init__(self, data: mmap.mmap) -> None:
        self._data = data
        self._at = 0
        self._size = len(data)

    def header(self) -> Header:
        if self._take(4) != MAGIC:
            raise damaged("it does not begin with the GGUF mark")
        version = self._uint32()
        if version not in VERSIONS:
            raise unsupported(f"GGUF version {version} (big-endian files are not read either)")
        tensor_count, pair_count = self._uint64(), self._uint64()
        self._check_count(pair_count, _MIN_PAIR_BYTES, "metadata entries")
        metadata: dict[str, Value] = {}
        for _ in range(pair_count):
            key = self._string(MAX_NAME_BYTES * 256)
            metadata[key] = self._value(self._uint32(), key)
        self._check_count(tensor_count, _MIN_TENSOR_BYTES, "tensors")
        table = [self._entry() for _ in range(tensor_count)]
        return Header(metadata, self._place(table, metadata))

    def _take(self, count: int) -> bytes:
        if count > self._size - self._at:
            raise damaged("it ends in the middle of its header")
        part = self._data[self._at : self._at + count]
        self._at += count
        return part

    def _uint32(self) -> int:
        return int(_UINT32.unpack(self._take(4))[0])

    def _uint64(self) -> int:
        return int(_UINT64.unpack(self._take(8))[0])

    def _string(self, max_bytes: int) -> str:
        count = self._uint64()
        if count > max_bytes:
            raise damaged(f"a name of {count} bytes")
        return self._text(count)

    def _text(self, count: int) -> str:
        return self._take(count).decode("utf-8", errors="replace")

    def _check_count(self, count: int, least_bytes: int, what: str) -> None:
        if count > (self._size - self._at) // least_bytes:
            raise damaged(f"it announces {count} {what}, more than it can hold")

    def _value(self, kind: int, key: str) -> Value:
        if kind == _STRING:
            return self._text(self._uint64())
        if kind == _ARRAY:
            return self._array(key)
        scalar = _SCALARS.get(kind)
        if scalar is None:
            raise damaged(f"metadata {key!r} has the unknown type {kind}")
        value: int | float | bool = scalar.unpack(self._take(scalar.size))[0]
        return value

    def _array(self, key: str) -> list[Value]:
        kind, count = self._uint32(), self._uint64()
        if kind == _STRING:
            self._check_count(count, 8, f"strings in {key!r}")
            return [self._text(self._uint64()) for _ in range(count)]
        scalar = _SCALARS.get(kind)
        if scalar is None:
            raise damaged(f"metadata {key!r} is an array of the unknown type {kind}")
        self._check_count(count, scalar.size, f"values in {key!r}")
        return [value for (value,) in scalar.iter_unpack(self._take(count * scalar.size))]

    def _entry(self) -> tuple[str, int, tuple[int, ...], int]:
        name = self._string(MAX_NAME_BYTES)
        dimensions = self._uint32()
        if not 1 <= dimensions <= MAX_DIMENSIONS:
            raise damaged(f"tensor {name!r} has {dimensions} dimensions")
        shape = tuple(self._uint64() for _ in range(dimensions))
        return name, self._uint32(), shape[::-1], self._uint64()

    def _place(
        self, table: list[tuple[str, int, tuple[int, ...], int]], metadata: dict[str, Value]
    ) -> dict[str, Tensor]:
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or not 8 <= alignment <= 1 << 20 or alignment & (alignment - 1):
            raise damaged(f"an alignment of {alignment}")
        start = -(-self._at // alignment) * alignment
        tensors: dict[str, Tensor] = {}
        for name, kind, shape, offset in table:
            if name in tensors:
                raise damaged(f"tensor {name!r} stands in it twice")
            tensors[name] = self._tensor(name, kind, shape, start + offset)
        return tensors

    def _tensor(self, name: str, kind: int, shape: tuple[int, ...], offset: int) -> Tensor:
        try:
            known = GGMLQuantizationType(kind)
        except ValueError:
            raise unsupported(f"tensor {name!r} has the unknown type {kind}") from None
        block_elements, block_bytes = GGML_QUANT_SIZES[known]
        if min(shape) < 1 or shape[-1] % block_elements:
            raise damaged(f"tensor {name!r} of type {known.name} has the shape {shape}")
        size_bytes = prod(shape) // block_elements * block_bytes
        if offset + size_bytes > self._size:
            raise damaged(f"tensor {name!r} reaches past the end of the file")
        return Tensor(name, known, shape, offset, size_bytes)
