"""How long to wait before a model that keeps crashing is started again."""

from __future__ import annotations

LONGEST_S = 60.0
SHORT_LIFE_S = 30.0
"""A worker that dies younger than this, having answered nothing, counts as one more failure in a row."""


class Backoff:
    """Delays of 0, 1, 2, 4 … 60 s after failures in a row; a single failure costs no wait."""

    def __init__(self) -> None:
        self.crashes = 0
        """Workers of this model that died unasked."""
        self._in_a_row = 0
        self._blocked_until_s = 0.0

    def failed(self, now_s: float, *, crashed: bool) -> None:
        """Count a load that failed: the worker died, or ended it with an error of its own."""
        self.crashes += crashed
        self._in_a_row += 1
        delay_s = 0.0 if self._in_a_row == 1 else min(LONGEST_S, 2.0 ** min(self._in_a_row - 2, 10))
        self._blocked_until_s = now_s + delay_s

    def died(self, now_s: float, life_s: float, answered: int) -> None:
        """Count a loaded worker that died after `life_s` seconds and `answered` requests."""
        if life_s >= SHORT_LIFE_S or answered:
            self._in_a_row = 0
        self.failed(now_s, crashed=True)

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until the next start is allowed; 0 is now."""
        return max(0.0, self._blocked_until_s - now_s) if self._in_a_row else 0.0
