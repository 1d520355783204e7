"""Stored blocks computed again with their model, and compared."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Mapping
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

UNKNOWN_START = "of chains whose beginning is gone"
UNTOLD = "whose tokens no file tells"


@dataclass(frozen=True, slots=True)
class Compared:
    """One file, and how far it is from what the model computes."""

    name: BlockName
    difference: float = -1.0
    """Negative where it could not be told."""
    left_out: str = ""
    """Why it could not."""

    @property
    def is_wrong(self) -> bool:
        """Whether the file holds something else."""
        return self.difference > MAX_DIFFERENCE


@dataclass(frozen=True, slots=True)
class _Chain:
    """Tokens up to a block's end, and where each of its blocks ends, the last included."""

    last: bytes
    tokens: tuple[int, ...]
    ends: dict[bytes, int]
    salt_digest: str = ""
    """What its first block tells of its salt."""


class Recomputing:
    """Compares the files of one namespace with what its model computes."""

    def __init__(self, warming: Warming, model: str, space: Path) -> None:
        """Look what lies in the namespace's directory: call it on a thread. Raises OSError."""
        self._warming, self._model, self._space = warming, model, space
        found = [name for file in scan_namespace(space).blocks if (name := names.parse(file.filename)) is not None]
        self._names = found
        # Any part tells its block's tokens; those with rows of all tokens outlive the others.
        ordered = sorted(found, key=lambda name: name.part is Part.TOKENS)
        self._by_prefix = {name.hash[:PARENT_BYTES]: name for name in ordered}

    def choose(self, sample: int | None) -> list[BlockName]:
        """Return files to compare, all or `sample` at random."""
        if sample is None or sample >= len(self._names):
            return list(self._names)
        return random.sample(self._names, sample)

    async def compare(self, chosen: Iterable[BlockName]) -> AsyncIterator[Compared]:
        """Yield every chosen file as it was compared.

        Rows of all tokens are computed together for the blocks of one chain. A window or a state is alive at its own
        end alone, so each such place is a computation of its own.
        """
        left = dict.fromkeys(chosen)
        chains = await asyncio.to_thread(
            lambda: [self._chain(name) for name in {name.hash: name for name in left}.values()]
        )
        for chain in sorted(chains, key=lambda chain: -len(chain.tokens)):
            due = {name: chain.ends[name.hash] for name in left if _is_due(name, chain)}
            if due:
                for compared in await self._compute(chain, due):
                    del left[compared.name]
                    yield compared
        for name in left:
            yield Compared(name, left_out=UNTOLD)

    async def _compute(self, chain: _Chain, due: dict[BlockName, int]) -> list[Compared]:
        files = tuple((name.filename, end) for name, end in due.items())
        try:
            differences = await self._warming.differences(self._model, chain.tokens, files, chain.salt_digest)
        except OmlxError as error:
            return [Compared(name, left_out=f"that {self._model} did not compute: {error}") for name in due]
        return [
            Compared(name, difference, UNKNOWN_START if difference < 0 else "")
            for name, difference in zip(due, differences, strict=True)
        ]

    def _chain(self, last: BlockName) -> _Chain:
        """Return the tokens up to a block's end, none where one of its chain does not tell its own."""
        blocks = [last]
        while (before := self._by_prefix.get(blocks[0].parent[:PARENT_BYTES])) is not None:
            blocks.insert(0, before)
        tokens: list[int] = []
        ends: dict[bytes, int] = {}
        told = [self._metadata(name) for name in blocks]
        for name, one in zip(blocks, told, strict=True):
            ids = metadata.decode(one, name.tokens)
            if ids is None:
                return _Chain(last.hash, (), {})
            tokens += metadata.unpacked(ids)
            ends[name.hash] = len(tokens)
        return _Chain(last.hash, tuple(tokens), ends, metadata.salt_digest(told[0]))

    def _metadata(self, name: BlockName) -> Mapping[str, str]:
        try:
            with blockfile.open_block(self._space, name) as block:
                return block.header.metadata
        except (BlockDamaged, OSError):
            return {}


def _is_due(name: BlockName, chain: _Chain) -> bool:
    return name.hash == chain.last if name.part is not Part.TOKENS else name.hash in chain.ends
