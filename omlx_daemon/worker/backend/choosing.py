"""The next token of every row of a batch, in as few operations as can be: each costs the processor its time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import mlx.core as mx
import numpy as np
from mlx_lm.sample_utils import greedy_sampler

from omlx_daemon.worker.backend.sampling import Choice, RowSampling

_begin: Callable[[mx.array], None] = mx.async_eval


class Chooser:
    """The sampler that all rows share, so that mlx-lm asks it once a step, for all rows of a batch together."""

    def __init__(self) -> None:
        self._rows: Sequence[RowSampling] = ()

    @contextmanager
    def choosing(self, rows: Sequence[RowSampling]) -> Iterator[None]:
        """Choose for these rows, which are those of the batch in its order, until the end of the block."""
        self._rows = rows
        try:
            yield
        finally:
            self._rows = ()

    def __call__(self, logprobs: mx.array) -> mx.array:
        """Return a token id for every row, (rows,), from log probabilities (rows, vocabulary)."""
        rows = self._rows
        assert len(rows) == logprobs.shape[0], "these are the rows of another batch"
        if any(row.follows for row in rows):
            logprobs = _held_to_grammars(rows, logprobs)
        if all(row.greedy for row in rows):
            chosen = greedy_sampler(logprobs)
        else:
            chosen = mx.concatenate([row.choose(logprobs[place : place + 1]) for place, row in enumerate(rows)])
        choice = Choice(chosen)
        for place, row in enumerate(rows):
            row.note(choice, place)
        return chosen


def _held_to_grammars(rows: Sequence[RowSampling], logprobs: mx.array) -> mx.array:
    # The device goes on while its last choice is waited for and the grammars are asked.
    _begin(logprobs)
    allowed = np.ones(logprobs.shape, np.bool_)
    for place, row in enumerate(rows):
        own = row.allowed()
        if own is not None:
            allowed[place] = own
    # What is allowed stays so, however low a bias has put it.
    lifted = mx.maximum(logprobs, mx.finfo(logprobs.dtype).min)
    return mx.where(mx.array(allowed), lifted, -mx.inf)
