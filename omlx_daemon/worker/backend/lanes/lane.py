"""One batch that decodes, with what it holds."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mlx_lm.generate import GenerationBatch

from omlx_daemon.worker.backend.lanes.cost import Padded
from omlx_daemon.worker.backend.lanes.rows import held_bytes, taken, widest_window
from omlx_daemon.worker.engine.kvshape import GROWTH_TOKENS, KvShape


class Lane:
    """Rows of like length that step together."""

    def __init__(self, batch: GenerationBatch, shape: KvShape) -> None:
        self.batch = batch
        self._shape = shape

    def __len__(self) -> int:
        return len(self.batch)

    @property
    def uids(self) -> list[int]:
        """The rows' numbers, in order."""
        return list(self.batch.uids)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row in the KV cache."""
        return [len(tokens) for tokens in self.batch.tokens]

    @property
    def sizes(self) -> list[int]:
        """Live KV bytes of each row."""
        return [self._shape.bytes_at(length) for length in self.lengths]

    @property
    def padded(self) -> Padded:
        """What a step computes."""
        return Padded(len(self), self._shape.bytes_at(max(self.lengths, default=0)))

    @property
    def held_bytes(self) -> int:
        """KV bytes that it holds, padding and room to grow included."""
        return held_bytes(self.batch.prompt_cache)

    def part(self, rows: list[int]) -> Lane:
        """Return the rows at these places as a lane of their own; this one is not to be used any more."""
        return Lane(taken(self.batch, rows), self._shape)

    def extend(self, other: Lane) -> None:
        """Take in the rows of another lane, which is not to be used any more."""
        extend: Callable[[GenerationBatch], None] = self.batch.extend
        extend(other.batch)

    def without(self, uids: Collection[int]) -> Lane:
        """Return the lane without these rows, no wider than what is left needs."""
        kept = [place for place, uid in enumerate(self.batch.uids) if uid not in uids]
        if len(kept) == len(self):
            return self
        self.batch.filter(kept)
        # A rotating cache keeps the padding of its longest row.
        longest = max(self.lengths, default=0)
        if widest_window(self.batch.prompt_cache) > longest + GROWTH_TOKENS:
            return self.part(list(range(len(kept))))
        return self
