"""The chain hash: the name of a block commits to the model, the salt and every token up to the block's end."""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from omlx_daemon.coldstore.names import BLOCK_TOKENS, HASH_BYTES

ID_BYTES = 4
_CHAIN_VERSION = b"omlx chain 1"
_SALT_USE = b"omlx salt"


@dataclass(frozen=True, slots=True)
class Image:
    """An input that is no token: where it begins in the token sequence, and a digest of its content."""

    position: int
    digest: bytes


def digest_of(salt: str) -> str:
    """Return what stands for a salt where it is written down, empty for none: its chains can be computed again from
    that, while a request that is to find them has to name the salt itself."""
    return blake2b(salt.encode(), digest_size=HASH_BYTES, person=_SALT_USE).hexdigest() if salt else ""


def root(fingerprint: str, salt_digest: str = "") -> bytes:
    """Return the hash that every chain of this model begins with, and of the salt with this digest."""
    digest = blake2b(_CHAIN_VERSION, digest_size=HASH_BYTES)
    for text in (fingerprint, salt_digest):
        raw = text.encode()
        digest.update(struct.pack("<Q", len(raw)) + raw)
    return digest.digest()


def packed(tokens: Iterable[int]) -> bytes:
    """Return token ids as little-endian uint32. Raises ValueError for one that does not fit."""
    try:
        ids = array("I", tokens)
    except (OverflowError, TypeError) as error:
        raise ValueError("a token id is an integer from 0 to 2**32 - 1") from error
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes()


def block_hash(parent: bytes, ids: bytes, images: bytes = b"") -> bytes:
    """Return the hash of a block: its parent's hash, its packed token ids, the keys of the images in it."""
    digest = blake2b(parent, digest_size=HASH_BYTES)
    digest.update(struct.pack("<I", len(ids) // ID_BYTES))
    digest.update(ids)
    digest.update(images)
    return digest.digest()


def common_tokens(one: bytes, other: bytes) -> int:
    """Return how many leading token ids two packed sequences share."""
    low, high = 0, min(len(one), len(other)) // ID_BYTES
    if one[: high * ID_BYTES] == other[: high * ID_BYTES]:
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if one[low * ID_BYTES : middle * ID_BYTES] == other[low * ID_BYTES : middle * ID_BYTES]:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class Place:
    """A block of a chain: a full one, or the tail that ends the tokens."""

    hash: bytes
    parent: bytes
    start: int
    tokens: int

    @property
    def end(self) -> int:
        """Position after the block's last token."""
        return self.start + self.tokens


class Chain:
    """The tokens of one sequence and the hashes of its blocks. Grows at its end."""

    def __init__(
        self, start: bytes, tokens: Sequence[int], images: Sequence[Image] = (), *, salt_digest: str = ""
    ) -> None:
        """Begin at `start`, the `root` of the same `salt_digest`. Raises ValueError for a token id that is none."""
        self._root = start
        self._salt_digest = salt_digest
        self._images = sorted(images, key=lambda image: image.position)
        self._ids = bytearray()
        self._hashes: list[bytes] = []
        self._partial: dict[tuple[int, int], bytes] = {}
        self.extend(tokens)

    def __len__(self) -> int:
        return len(self._ids) // ID_BYTES

    @property
    def blocks(self) -> int:
        """Number of full blocks."""
        return len(self._hashes)

    def extend(self, tokens: Iterable[int]) -> None:
        """Append tokens. Raises ValueError for a token id that is none."""
        self._ids += packed(tokens)
        for block in range(len(self._hashes), len(self) // BLOCK_TOKENS):
            self._hashes.append(self._hash(block, BLOCK_TOKENS))

    def parent(self, block: int) -> bytes:
        """Return the hash that block number `block` follows."""
        return self._hashes[block - 1] if block else self._root

    def hash_of(self, block: int, tokens: int = BLOCK_TOKENS) -> bytes:
        """Return the hash of the first `tokens` tokens of a block."""
        if tokens == BLOCK_TOKENS:
            return self._hashes[block]
        key = (block, tokens)
        if key not in self._partial:
            self._partial[key] = self._hash(block, tokens)
        return self._partial[key]

    def ids_of(self, block: int, tokens: int = BLOCK_TOKENS) -> bytes:
        """Return the packed ids of at most `tokens` leading tokens of a block."""
        first = block * BLOCK_TOKENS
        return bytes(self._ids[first * ID_BYTES : (first + tokens) * ID_BYTES])

    def salt_digest_at(self, start: int) -> str:
        """Return the digest of the salt for the block that begins the chain, nothing for those after it."""
        return "" if start else self._salt_digest

    def opaque(self, block: int) -> bool:
        """Return whether an image begins in the block: then its token ids alone do not tell what it holds."""
        first = block * BLOCK_TOKENS
        return any(first <= image.position < first + BLOCK_TOKENS for image in self._images)

    def ending_at(self, position: int) -> Place:
        """Return the block that ends at `position`, a tail where that is no multiple of a block."""
        block = (position - 1) // BLOCK_TOKENS
        start = block * BLOCK_TOKENS
        return Place(self.hash_of(block, position - start), self.parent(block), start, position - start)

    def shared_blocks(self, other: Chain) -> int:
        """Return how many leading full blocks two chains have in common."""
        low, high = 0, min(self.blocks, other.blocks)
        while low < high:
            middle = (low + high + 1) // 2
            if self._hashes[middle - 1] == other._hashes[middle - 1]:
                low = middle
            else:
                high = middle - 1
        return low

    def _hash(self, block: int, tokens: int) -> bytes:
        first = block * BLOCK_TOKENS
        keys = b"".join(
            struct.pack("<I", image.position - first) + image.digest
            for image in self._images
            if first <= image.position < first + tokens
        )
        return block_hash(self.parent(block), self.ids_of(block, tokens), keys)
