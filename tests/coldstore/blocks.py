"""Blocks for the tests of the cold tier."""

from __future__ import annotations

import hashlib
from pathlib import Path

from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.blockfile import Tensor
from omlx_daemon.coldstore.layout import Layout
from omlx_daemon.coldstore.names import BlockName, Part

FINGERPRINT = "ab" * 16


def namespace(root: Path, fingerprint: str = FINGERPRINT) -> Path:
    """Return a fresh namespace's directory below the cache directory `root`."""
    return Layout(root).create_namespace(fingerprint, "tiny", {"kv": "F32"})


def name(seed: int, parent: bytes = bytes(32), tokens: int = 256, part: Part = Part.TOKENS, rows: int = 0) -> BlockName:
    """Return the name of the block that `seed` numbers."""
    return BlockName(hashlib.sha256(seed.to_bytes(8, "little")).digest(), parent, tokens, part, rows)


def tensors(seed: int, size_bytes: int = 256) -> list[Tensor]:
    """Return two tensors of pseudo-random bytes, `size_bytes` (a multiple of 8) together."""
    payload = hashlib.shake_128(seed.to_bytes(8, "little")).digest(size_bytes)
    half = size_bytes // 2
    return [
        Tensor("t.k", "F32", (1, half // 4), payload[:half]),
        Tensor("t.v", "BF16", (half // 2,), memoryview(payload)[half:]),
    ]


def store(namespace_dir: Path, seed: int, size_bytes: int = 256, parent: bytes = bytes(32)) -> BlockName:
    """Write the block that `seed` numbers and return its name."""
    block = name(seed, parent)
    blockfile.write(namespace_dir, block, tensors(seed, size_bytes), {"layers": "1"})
    return block
