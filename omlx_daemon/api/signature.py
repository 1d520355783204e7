"""Signatures of reasoning: opaque to clients, which send them back as they are.

A block that shows its text is signed with a digest of it, so that an equal block has an equal signature. Where a client
wants the text left out, the signature carries it, and the history still holds what the model thought.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from hashlib import blake2b

_SHOWN = "omlx-1-"
_OMITTED = "omlx-0-"
_MAX_TEXT_BYTES = 1 << 22


def of(text: str, *, omitted: bool) -> str:
    """Return the signature of a block whose text is `text`, shown or left out."""
    content = text.encode()
    if omitted:
        return _OMITTED + b64encode(zlib.compress(content)).decode()
    return _SHOWN + b64encode(blake2b(content, digest_size=32).digest()).decode()


def omitted_text(signature: str) -> str:
    """Return the text that a signature carries; empty where it carries none, or is not ours."""
    if not signature.startswith(_OMITTED):
        return ""
    try:
        packed = b64decode(signature.removeprefix(_OMITTED), validate=True)
        return zlib.decompressobj().decompress(packed, _MAX_TEXT_BYTES).decode(errors="replace")
    except (ValueError, zlib.error):
        return ""
