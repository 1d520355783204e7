"""What a block file says about its block besides its name: the token ids, and how its chain begins."""

from __future__ import annotations

import re
import struct
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping

_IDS = "token_ids"
_ID_BYTES = 4
_SALT_DIGEST = "salt_digest"
_SALT_DIGEST_FORM = re.compile(r"[0-9a-f]{64}", re.ASCII)


def encode(ids: bytes | None, salt_digest: str = "") -> dict[str, str]:
    """Return the metadata of a file: packed token ids, and in a chain's first block the digest of its salt."""
    told = {} if ids is None else {_IDS: b64encode(ids).decode("ascii")}
    return {**told, _SALT_DIGEST: salt_digest} if salt_digest else told


def decode(metadata: Mapping[str, str], tokens: int) -> bytes | None:
    """Return the packed token ids of a block of `tokens`, or None where the file does not tell them."""
    try:
        ids = b64decode(metadata.get(_IDS, ""), validate=True)
    except (Error, ValueError):
        return None
    return ids if len(ids) == tokens * _ID_BYTES else None


def salt_digest(metadata: Mapping[str, str]) -> str:
    """Return the digest of the salt of the chain that the block begins; empty where there is none."""
    found = metadata.get(_SALT_DIGEST, "")
    return found if _SALT_DIGEST_FORM.fullmatch(found) else ""


def unpacked(ids: bytes) -> tuple[int, ...]:
    """Return the token ids of packed little-endian uint32."""
    return tuple(number for (number,) in struct.iter_unpack("<I", ids))
