"""Whether a request's KV fits beside that of those which run."""

from __future__ import annotations

import math
from collections.abc import Collection

from omlx_daemon.core.errors import kv_too_small
from omlx_daemon.worker.engine.kvshape import GROWTH_TOKENS, KvShape
from omlx_daemon.worker.engine.sequence import Sequence

_FIRST_GUESS_TOKENS = 512.0
_WEIGHT = 0.1
_AMPLE = 2.0
"""An answer is expected to be at most so many times the usual length."""


class Room:
    """The bytes that KV may take, and what each sequence is expected to need of them.

    A sequence needs its prompt and the answer it may give; one that may go on for very long counts as somewhat
    longer than the usual, and for more as it grows.
    """

    def __init__(self, shape: KvShape) -> None:
        self._shape = shape
        self._usual_tokens = _FIRST_GUESS_TOKENS
        self.limit_bytes = 0
        """0 is without a bound."""

    def need_bytes(self, sequence: Sequence) -> int:
        """Return the bytes that a sequence is expected to hold at its end."""
        if sequence.answers_nothing:
            return self._shape.held_at(sequence.prompt_tokens)
        # One that had to step back comes again only where it has got further before it may have to once more.
        usual = int(_AMPLE * max(self._usual_tokens, 0 if sequence.joined else sequence.generated_tokens))
        expected = sequence.prompt_tokens + min(sequence.max_tokens, usual)
        most = sequence.prompt_tokens + sequence.max_tokens
        return self._shape.held_at(max(expected, min(sequence.tokens + GROWTH_TOKENS, most)))

    def free_bytes(self, holding: Collection[Sequence]) -> float:
        """Return what is free beside those that hold a place, without a bound where none does."""
        if not self.limit_bytes or not holding:
            return math.inf
        return self.limit_bytes - sum(map(self.need_bytes, holding))

    def is_exceeded(self, holding: Collection[Sequence]) -> bool:
        """Return whether those that hold a place have grown beyond the bound; one alone never has."""
        if not self.limit_bytes or len(holding) < 2:
            return False
        return sum(self._shape.held_at(sequence.position) for sequence in holding) > self.limit_bytes

    def bound(self, sequence: Sequence) -> None:
        """Shorten the longest answer that is possible to what fits at all. Any thread may.

        Raises OmlxError(INSUFFICIENT_MEMORY) where not even the prompt ever fits.
        """
        limit_bytes = self.limit_bytes
        if not limit_bytes:
            return
        most = self._shape.tokens_within(limit_bytes)
        if sequence.prompt_tokens >= most:
            need_bytes = self._shape.held_at(sequence.prompt_tokens + 1)
            raise kv_too_small(sequence.prompt_tokens, most, need_bytes, limit_bytes)
        sequence.max_tokens = min(sequence.max_tokens, most - sequence.prompt_tokens)

    def learn(self, answer_tokens: int) -> None:
        """Take note of how long an answer was."""
        self._usual_tokens += _WEIGHT * (answer_tokens - self._usual_tokens)
