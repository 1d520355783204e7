"""The safetensors header of a block file: built, and checked against everything it could lie about.

`__metadata__` begins with `head`, the xxh3-64 of the header itself (its length included, these digits as zeros), so
that no bit of the file is outside a checksum.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import xxhash

from omlx_daemon.coldstore.names import PARENT_BYTES, BlockName

FORMAT_VERSION = "1"
MAX_HEADER_BYTES = 1 << 20
LENGTH_BYTES = 8
ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip

_ALIGNMENT = 64
_OPENING = b'{"__metadata__":{"head":"'
_NO_DIGEST = b"0" * 16
_DIGEST_AT = LENGTH_BYTES + len(_OPENING)
_OWN_KEYS = ("head", "version", "hash", "parent", "tokens", "part", "rows", "xxh3")


class BlockDamaged(Exception):
    """A file that is not the block its name promises. Says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """One tensor of a block: bytes `start` to `end` of the payload."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Header:
    """A block file's table of contents."""

    tensors: tuple[TensorInfo, ...]
    metadata: Mapping[str, str]
    header_bytes: int
    """Where the payload begins in the file."""
    payload_bytes: int

    @property
    def checksum(self) -> str:
        """The xxh3-128 that the payload must have, in hex."""
        return self.metadata["xxh3"]


def shape_bytes(dtype: str, shape: Sequence[int]) -> int:
    """Return the bytes of a tensor. Raises KeyError for an unknown dtype."""
    return math.prod(shape) * ITEM_BYTES[dtype]


def encode(
    name: BlockName, tensors: Sequence[tuple[str, str, tuple[int, ...]]], metadata: Mapping[str, str], checksum: str
) -> bytes:
    """Return length and header of a file with `tensors` (name, dtype, shape) in this order.

    Raises ValueError where `metadata` uses a key of the format's own, or the header is over its limit.
    """
    if clash := set(metadata) & set(_OWN_KEYS):
        raise ValueError(f"metadata may not use {', '.join(sorted(clash))}")
    own = {"head": _NO_DIGEST.decode(), "version": FORMAT_VERSION, **_identity(name), "xxh3": checksum}
    table: dict[str, object] = {"__metadata__": {**own, **metadata}}
    start = 0
    for tensor, dtype, shape in tensors:
        end = start + shape_bytes(dtype, shape)
        table[tensor] = {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-(LENGTH_BYTES + len(text)) % _ALIGNMENT)
    if len(text) > MAX_HEADER_BYTES:
        raise ValueError(f"the header has {len(text)} bytes, over {MAX_HEADER_BYTES}")
    raw = struct.pack("<Q", len(text)) + text
    return raw[:_DIGEST_AT] + _digest(raw) + raw[_DIGEST_AT + len(_NO_DIGEST) :]


def decode_length(raw: bytes, file_bytes: int) -> int:
    """Return the header's length in bytes. Raises BlockDamaged where the file cannot hold it."""
    if len(raw) < LENGTH_BYTES:
        raise BlockDamaged("truncated: no header")
    length = int(struct.unpack("<Q", raw[:LENGTH_BYTES])[0])
    if length > MAX_HEADER_BYTES:
        raise BlockDamaged(f"the header claims {length} bytes")
    if LENGTH_BYTES + length > file_bytes:
        raise BlockDamaged("truncated within the header")
    return length


def decode(raw: bytes, name: BlockName, file_bytes: int) -> Header:
    """Return the header in `raw` (length and text) of the file that `name` names. Raises BlockDamaged."""
    table = _parse(raw)
    metadata = _metadata(table.pop("__metadata__", None))
    _check_identity(metadata, _identity(name))
    tensors = tuple(_tensor(key, entry) for key, entry in table.items())
    payload_bytes = file_bytes - len(raw)
    _check_cover(tensors, payload_bytes)
    return Header(tensors, metadata, len(raw), payload_bytes)


def _identity(name: BlockName) -> dict[str, str]:
    return {
        "hash": name.hash.hex(), "parent": name.parent.hex(), "tokens": str(name.tokens), "part": name.part.value,
        "rows": str(name.rows),
    }  # fmt: skip


def _check_identity(metadata: Mapping[str, str], wanted: dict[str, str]) -> None:
    parent, known = metadata.get("parent", ""), wanted.pop("parent")
    shared = min(len(parent), len(known))
    if shared < 2 * PARENT_BYTES or parent[:shared] != known[:shared]:
        raise BlockDamaged("another block's content: the parent differs")
    for key, value in wanted.items():
        if metadata.get(key) != value:
            raise BlockDamaged(f"another block's content: {key} is {metadata.get(key, '')[:80]!r}")


def _digest(raw: bytes) -> bytes:
    state = xxhash.xxh3_64(raw[:_DIGEST_AT])
    state.update(_NO_DIGEST)
    state.update(raw[_DIGEST_AT + len(_NO_DIGEST) :])
    return state.hexdigest().encode()


def _parse(raw: bytes) -> dict[str, object]:
    if not raw[LENGTH_BYTES:].startswith(_OPENING):
        raise BlockDamaged("not a block file of this format")
    if raw[_DIGEST_AT : _DIGEST_AT + len(_NO_DIGEST)] != _digest(raw):
        raise BlockDamaged("the header's checksum is wrong")
    try:
        table = json.loads(raw[LENGTH_BYTES:])
    except (ValueError, RecursionError) as error:
        raise BlockDamaged("the header is not JSON") from error
    if not isinstance(table, dict):
        raise BlockDamaged("the header is not an object")
    return table


def _metadata(entry: object) -> dict[str, str]:
    if not isinstance(entry, dict) or not all(isinstance(value, str) for value in entry.values()):
        raise BlockDamaged("the metadata is not text")
    if entry.get("version") != FORMAT_VERSION:
        raise BlockDamaged(f"format version {str(entry.get('version'))[:20]!r}")
    if len(entry.get("xxh3", "")) != 32:
        raise BlockDamaged("no checksum")
    return entry


def _tensor(name: str, entry: object) -> TensorInfo:
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise BlockDamaged("a tensor's entry is malformed")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in ITEM_BYTES:
        raise BlockDamaged("a tensor's dtype is unknown")
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise BlockDamaged("a tensor's shape or offsets are malformed")
    if offsets[1] - offsets[0] != shape_bytes(dtype, shape):
        raise BlockDamaged("a tensor's length contradicts its shape")
    return TensorInfo(name, dtype, tuple(shape), offsets[0], offsets[1])


def _are_sizes(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 48 for value in values)


def _check_cover(tensors: Sequence[TensorInfo], payload_bytes: int) -> None:
    reached = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.start, tensor.end)):
        if tensor.start != reached:
            raise BlockDamaged("the tensors leave a gap or overlap")
        reached = tensor.end
    if reached != payload_bytes:
        raise BlockDamaged(f"the file holds {payload_bytes} bytes of {reached}")
