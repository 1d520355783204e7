"""Stored blocks computed again with their model, and compared."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.cache.warming import Warming
from omlx_daemon.coldstore import blockfile, metadata, names
from omlx_daemon.coldstore.blockfile import BlockDamaged
from omlx_daemon.coldstore.names import PARENT_BYTES, BlockName, Part
from omlx_daemon.coldstore.scan import scan_namespace

MAX_DIFFERENCE = 0.1
"""Rounding, of batches and of stored bits, stays far below this share; another content is near or over 1."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One block, and how far it is from what the model computes; negative where that could not be told."""

    name: BlockName
    difference: float

    @property
    def is_wrong(self) -> bool:
        """Whether the block holds something else."""
        return self.difference > MAX_DIFFERENCE


@dataclass(frozen=True, slots=True)
class _Chain:
    tokens: tuple[int, ...]
    ends: dict[BlockName, int]


class Recomputing:
    """Compares the blocks of one namespace with what its model computes."""

    def __init__(self, warming: Warming, model: str, space: Path) -> None:
        """Look what lies in the namespace's directory: call it on a thread. Raises OSError."""
        self._warming, self._model, self._space = warming, model, space
        found = [name for file in scan_namespace(space).blocks if (name := names.parse(file.filename)) is not None]
        self._rows = [name for name in found if name.part is Part.TOKENS]
        self._by_prefix = {name.hash[:PARENT_BYTES]: name for name in self._rows}

    def choose(self, sample: int | None) -> list[BlockName]:
        """Return blocks to compare, all or `sample` at random: those with rows of all tokens."""
        if sample is None or sample >= len(self._rows):
            return list(self._rows)
        return random.sample(self._rows, sample)

    async def compare(self, chosen: Iterable[BlockName]) -> AsyncIterator[Compared]:
        """Yield every chosen block as it was compared; blocks of one chain are computed together."""
        left = dict.fromkeys(chosen)
        chains = await asyncio.to_thread(lambda: [self._chain(name) for name in left])
        chains.sort(key=lambda chain: -len(chain.tokens))
        for chain in chains:
            due = {name: end for name, end in chain.ends.items() if name in left}
            if due:
                for compared in await self._compute(chain.tokens, due):
                    del left[compared.name]
                    yield compared
        for name in left:
            yield Compared(name, -1.0)

    async def _compute(self, tokens: tuple[int, ...], due: dict[BlockName, int]) -> list[Compared]:
        files = tuple((name.filename, end) for name, end in due.items())
        try:
            differences = await self._warming.differences(self._model, tokens, files)
        except OmlxError:
            differences = (-1.0,) * len(files)
        return [Compared(name, difference) for name, difference in zip(due, differences, strict=True)]

    def _chain(self, last: BlockName) -> _Chain:
        """Return the tokens up to a block's end, none where one of its chain is missing or does not tell its own."""
        blocks = [last]
        while (before := self._by_prefix.get(blocks[0].parent[:PARENT_BYTES])) is not None:
            blocks.insert(0, before)
        pieces = [self._ids(name) for name in blocks]
        if not all(pieces):
            return _Chain((), {})
        tokens: list[int] = []
        ends: dict[BlockName, int] = {}
        for name, piece in zip(blocks, pieces, strict=True):
            tokens += piece
            ends[name] = len(tokens)
        return _Chain(tuple(tokens), ends)

    def _ids(self, name: BlockName) -> tuple[int, ...]:
        try:
            with blockfile.open_block(self._space, name) as block:
                return metadata.unpacked(metadata.decode(block.header.metadata, name.tokens) or b"")
        except (BlockDamaged, OSError):
            return ()
