"""How fast the engine goes, and how much prompt fits between two tokens of a running request."""

from __future__ import annotations

MAX_CHUNK_TOKENS = 2048
MIN_CHUNK_TOKENS = 64
"""Smaller ones cost nearly as much: each reads all weights once."""
FIRST_CHUNK_TOKENS = 256
IDLE_TARGET_S = 1.0
"""Nothing runs, but a chunk cannot be interrupted: a cancel or a shorter prompt waits this long at most."""
_WEIGHT = 0.4
_MIN_SAMPLE_TOKENS = 16


class Pace:
    """Measures whole prefill ticks, apart for an idle engine and one that decodes beside."""

    def __init__(self, stall_target_s: float) -> None:
        self._target_s = {False: IDLE_TARGET_S, True: stall_target_s}
        self._tokens_per_s = {False: 0.0, True: 0.0}

    def chunk_tokens(self, decoding: bool) -> int:
        """Return the chunk that takes about the target, a multiple of the smallest."""
        speed = self._tokens_per_s[decoding] or self._tokens_per_s[not decoding]
        if not speed:
            return FIRST_CHUNK_TOKENS
        fitting = int(speed * self._target_s[decoding])
        floor = MIN_CHUNK_TOKENS if decoding else FIRST_CHUNK_TOKENS
        return max(floor, min(fitting - fitting % MIN_CHUNK_TOKENS, MAX_CHUNK_TOKENS))

    def note(self, tokens: int, seconds: float, decoding: bool) -> None:
        """Take in one prefill of `tokens` prompt tokens."""
        if tokens < _MIN_SAMPLE_TOKENS or seconds <= 0:
            return
        measured, known = tokens / seconds, self._tokens_per_s[decoding]
        self._tokens_per_s[decoding] = known + _WEIGHT * (measured - known) if known else measured
