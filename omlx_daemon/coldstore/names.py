"""The name of a block file. It says everything that an index needs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

BLOCK_TOKENS = 256
"""Tokens of a full block; a block with fewer is the tail of a prompt or an answer."""

HASH_BYTES = 32
PARENT_BYTES = 8
"""How much of the parent's hash a name keeps: enough to follow a chain, too little to look up by."""

SUFFIX = ".safetensors"

_FORM = re.compile(
    r"([0-9a-f]{64})-([0-9a-f]{16})-([1-9]\d?|1\d\d|2[0-4]\d|25[0-6])\.([tws])([1-9]\d{0,7})?\.safetensors", re.ASCII
)


class Part(StrEnum):
    """What of a block a file holds."""

    TOKENS = "t"
    """Rows of the layers that keep one for each token; any slice stands alone."""
    WINDOW = "w"
    """The last rows of sliding-window layers, up to the block's end."""
    STATE = "s"
    """Recurrent state, valid at the block's end alone."""


@dataclass(frozen=True, slots=True)
class BlockName:
    """One part of one block. The hash commits to the parent, so equality ignores how much of it is known."""

    hash: bytes
    parent: bytes = field(compare=False)
    """The parent's hash, 32 bytes, or its first 8 where it was read from a name."""
    tokens: int
    part: Part
    rows: int = 0
    """Rows that a window part holds; 0 where the tokens say it."""

    def __post_init__(self) -> None:
        """Raise ValueError for a name that no file can have."""
        if len(self.hash) != HASH_BYTES or len(self.parent) not in (PARENT_BYTES, HASH_BYTES):
            raise ValueError("a block's hash has 32 bytes, its parent 32 or 8")
        if not 1 <= self.tokens <= BLOCK_TOKENS or not 0 <= self.rows < 10**8:
            raise ValueError(f"a block has 1 to {BLOCK_TOKENS} tokens, not {self.tokens}; rows: {self.rows}")

    @property
    def filename(self) -> str:
        """`<hash>-<start of the parent's>-<tokens>.<part>[<rows>].safetensors`."""
        parent = self.parent[:PARENT_BYTES].hex()
        return f"{self.hash.hex()}-{parent}-{self.tokens}.{self.part.value}{self.rows or ''}{SUFFIX}"

    @property
    def fan(self) -> str:
        """The directory below the namespace that holds the file: the hash's first byte."""
        return self.hash[:1].hex()


def is_block(filename: str) -> bool:
    """Return whether `filename` is a block file's name, without taking it apart."""
    return _FORM.fullmatch(filename) is not None


def parse(filename: str) -> BlockName | None:
    """Return the name that `filename` spells, or None for any other file. The inverse of `BlockName.filename`."""
    found = _FORM.fullmatch(filename)
    if found is None:
        return None
    digest, parent, tokens, part, rows = found.groups()
    return BlockName(bytes.fromhex(digest), bytes.fromhex(parent), int(tokens), Part(part), int(rows or 0))
