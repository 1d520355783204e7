"""What a block file says about its block besides its name: the token ids."""

from __future__ import annotations

import struct
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping

_IDS = "token_ids"
_ID_BYTES = 4


def encode(ids: bytes | None) -> dict[str, str]:
    """Return the metadata of a file; `ids` are packed token ids."""
    return {} if ids is None else {_IDS: b64encode(ids).decode("ascii")}


def decode(metadata: Mapping[str, str], tokens: int) -> bytes | None:
    """Return the packed token ids of a block of `tokens`, or None where the file does not tell them."""
    try:
        ids = b64decode(metadata.get(_IDS, ""), validate=True)
    except (Error, ValueError):
        return None
    return ids if len(ids) == tokens * _ID_BYTES else None


def unpacked(ids: bytes) -> tuple[int, ...]:
    """Return the token ids of packed little-endian uint32."""
    return tuple(number for (number,) in struct.iter_unpack("<I", ids))
