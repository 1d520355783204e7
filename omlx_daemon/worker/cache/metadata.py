"""What a block file says about its block besides its name: the token ids."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Mapping

from omlx_daemon.worker.cache.hashing import ID_BYTES

_IDS = "token_ids"


def encode(ids: bytes | None) -> dict[str, str]:
    """Return the metadata of a file; `ids` are packed token ids."""
    return {} if ids is None else {_IDS: b64encode(ids).decode("ascii")}


def decode(metadata: Mapping[str, str], tokens: int) -> bytes | None:
    """Return the packed token ids of a block of `tokens`, or None where the file does not tell them."""
    try:
        ids = b64decode(metadata.get(_IDS, ""), validate=True)
    except (Error, ValueError):
        return None
    return ids if len(ids) == tokens * ID_BYTES else None
