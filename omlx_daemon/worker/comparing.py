"""Stored blocks against what the model computes now. Engine thread only; reads from disk while it waits."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

from omlx_daemon.coldstore import blockfile, names
from omlx_daemon.coldstore.blockfile import BlockDamaged
from omlx_daemon.worker.cache.payload import Codec, Unusable
from omlx_daemon.worker.engine.prefixes import NOT_READ

log = logging.getLogger(__name__)


class Comparer:
    """Reads blocks of one namespace and compares them with a live model cache."""

    def __init__(self, codec: Codec, space: Path) -> None:
        self._codec, self._space = codec, space

    def __call__(self, filename: str, end: int, source: object) -> float:
        """Return the block's distance from rows that end at `end`, as a share of them; -1 where it cannot be told."""
        name = names.parse(filename)
        if name is None:
            return NOT_READ
        try:
            with blockfile.open_block(self._space, name) as block:
                buffer = self._codec.buffer(block.payload_bytes, bounded=False)
                assert buffer is not None
                with closing(buffer.pieces(block.payload_bytes)) as pieces:
                    block.read_pieces(pieces)
                stored = self._codec.decode(name, block.header, buffer)
            start = end - (name.rows or name.tokens)
            computed = self._codec.capture(source, name.part, start, end)
            self._codec.settle([computed])
            self._codec.seal(all_of_them=True)
            return self._codec.difference(stored, computed, name.part)
        except (BlockDamaged, OSError, Unusable) as error:
            log.warning("%s was not compared: %s", filename, error)
            return NOT_READ
