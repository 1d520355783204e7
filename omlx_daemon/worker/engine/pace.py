"""How fast the engine goes, and how much prompt fits between two tokens of a running request."""

from __future__ import annotations

import math

from omlx_daemon.worker.engine.fit import Fit

MAX_CHUNK_TOKENS = 2048
MIN_CHUNK_TOKENS = 16
IDLE_MIN_CHUNK_TOKENS = 64
FIRST_CHUNK_TOKENS = 256
"""Before anything is known."""
FIRST_STALLING_TOKENS = 64
"""The same, while others decode."""
IDLE_TARGET_S = 1.0
"""Nothing runs, but a chunk cannot be interrupted: a cancel or a shorter prompt waits this long at most."""
_EFFICIENT = 4.0
"""A chunk that takes less than so many times what an empty one would wastes too much of the machine."""
_STRETCH = 1.25
"""How far the stall target may be exceeded for that."""
_GRAIN_TOKENS = 64
_FINE_TOKENS = 8
_RATIOS = (64.0, 1.0, 1 / 4000)
"""An empty chunk and one token at position 4,000 more than at 0, in tokens; what one expects before measuring."""
_QUICKER, _SLOWER = 0.3, 0.05
"""How fast the estimate of a step follows; what disturbs a step makes it slower, never quicker."""
_MIN_SAMPLE_TOKENS = 8


class Pace:
    """Measures prefill and decode: a chunk costs something by itself, something a token, and more the later it stands.

    `stall_target_s` is how long a running request may wait for its next token, its own step included.
    """

    def __init__(self, stall_target_s: float) -> None:
        self._target_s = stall_target_s
        self._fit = Fit(_RATIOS)
        self._step_s = 0.0
        self._tried_tokens = 0

    @property
    def step_s(self) -> float:
        """What a decode step takes by itself; 0 where that is not known."""
        return self._step_s

    def chunk_tokens(self, decoding: bool, position: int) -> int:
        """Return how many tokens, from `position` on, may be computed before others must have their turn."""
        first = FIRST_STALLING_TOKENS if decoding else FIRST_CHUNK_TOKENS
        if not self._fit.is_known:
            return first
        # What small chunks took says little of far larger ones.
        fitting = min(self._fitting(self._budget_s(decoding), position), max(first, 2 * self._tried_tokens))
        grain = _GRAIN_TOKENS if fitting >= 2 * _GRAIN_TOKENS else _FINE_TOKENS
        least = MIN_CHUNK_TOKENS if decoding else IDLE_MIN_CHUNK_TOKENS
        return max(least, min(fitting - fitting % grain, MAX_CHUNK_TOKENS))

    def seconds(self, tokens: int, position: int) -> float:
        """Return what computing `tokens` from `position` on is going to take."""
        return self._fit.seconds(_quantities(tokens, position + tokens / 2))

    def note_step(self, seconds: float) -> None:
        """Take in a decode step that ran by itself."""
        weight = _QUICKER if seconds < self._step_s else _SLOWER
        self._step_s += (weight if self._step_s else 1.0) * (seconds - self._step_s)

    def note_chunk(self, tokens: int, span_tokens: float, seconds: float) -> None:
        """Take in a prefill of `tokens`, padding included, each of which looked at `span_tokens` in the mean."""
        if tokens >= _MIN_SAMPLE_TOKENS:
            self._tried_tokens = max(self._tried_tokens, tokens)
            self._fit.note(_quantities(tokens, span_tokens), seconds)

    def _budget_s(self, decoding: bool) -> float:
        if not decoding:
            return IDLE_TARGET_S
        wished_s = self._target_s - self._step_s
        allowed_s = _STRETCH * self._target_s - self._step_s
        return max(wished_s, min(_EFFICIENT * self._fit.prices[0], allowed_s))

    def _fitting(self, budget_s: float, position: int) -> int:
        """Return how many tokens take `budget_s`."""
        empty_s, token_s, look_s = self._fit.prices
        linear, constant = token_s + look_s * position, empty_s - budget_s
        if constant >= 0:
            return 0
        root = math.sqrt(linear * linear - 2 * look_s * constant)
        # The stable form of the quadratic's solution, which needs no division by the small price of looking back.
        return int(min(-2 * constant / max(linear + root, 1e-12), MAX_CHUNK_TOKENS))


def _quantities(tokens: int, span_tokens: float) -> tuple[float, float, float]:
    return 1.0, float(tokens), tokens * span_tokens
