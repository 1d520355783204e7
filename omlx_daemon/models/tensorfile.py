"""Headers of safetensors files, checked against the file before anything maps it."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path

import msgspec

from omlx_cli.contract import files

MAX_HEADER_BYTES = 100 << 20
_LENGTH = struct.Struct("<Q")
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "C64": 64, "F64": 64, "I64": 64, "U64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class BadTensorFile(Exception):
    """The file is no sound safetensors file; the text says why."""


class Entry(msgspec.Struct, frozen=True):
    """One tensor: `data_offsets` count from the end of the header."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Header:
    """The tensors of one file by name, and the digest of the header's bytes."""

    tensors: dict[str, Entry]
    digest: str


def read(path: Path) -> Header:
    """Return the checked header of a file. Raises BadTensorFile, or OSError where it cannot be read."""
    size = path.stat().st_size
    with files.opened(path) as file:
        start = file.read(_LENGTH.size)
        if len(start) < _LENGTH.size:
            raise BadTensorFile(f"{path.name} is too short")
        (length,) = _LENGTH.unpack(start)
        if length > min(MAX_HEADER_BYTES, size - _LENGTH.size):
            raise BadTensorFile(f"{path.name} announces a header of {length} bytes and has {size}")
        raw = file.read(length)
    tensors = _decode(path.name, raw)
    _check_places(path.name, tensors, size - _LENGTH.size - length)
    return Header(tensors, hashlib.sha256(start + raw).hexdigest())


def _decode(name: str, raw: bytes) -> dict[str, Entry]:
    try:
        document = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
        document.pop("__metadata__", None)
        return {key: msgspec.json.decode(value, type=Entry) for key, value in document.items()}
    except (msgspec.DecodeError, RecursionError) as error:
        raise BadTensorFile(f"{name} has a damaged header ({error})") from error


def _check_places(name: str, tensors: dict[str, Entry], data_bytes: int) -> None:
    """Check that the tensors fill the data without gap or overlap, each with the bytes that its shape needs."""
    at = 0
    for key, entry in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        begin, end = entry.data_offsets
        bits = _BITS.get(entry.dtype)
        if bits is None:
            raise BadTensorFile(f"{name}: tensor {key!r} has the unknown type {entry.dtype!r}")
        if min(entry.shape, default=0) < 0 or (end - begin) * 8 != prod(entry.shape) * bits:
            raise BadTensorFile(f"{name}: tensor {key!r} has {end - begin} bytes for the shape {list(entry.shape)}")
        if begin != at:
            raise BadTensorFile(f"{name}: tensor {key!r} begins at byte {begin}, not {at}")
        at = end
    if at != data_bytes:
        raise BadTensorFile(f"{name} has {data_bytes} bytes of data and announces {at}: it is cut short or padded")
