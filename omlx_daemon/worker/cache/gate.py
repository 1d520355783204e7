"""Whether a read is worth its time, from the speeds measured here."""

from __future__ import annotations

_WEIGHT = 0.3
_LEAST_READ_BYTES = 1 << 20
_HOPE = 0.9
"""A disk that was slow is tried again in time: each refusal makes a byte look so much cheaper."""


class Gate:
    """Times of computing and of reading. Until both are known, reading is taken to be worth it."""

    def __init__(self) -> None:
        self._token_s = 0.0
        self._byte_s = 0.0

    @property
    def prefill_tokens_per_s(self) -> float:
        """Measured speed of prefill, 0 while unknown."""
        return 1 / self._token_s if self._token_s else 0.0

    @property
    def read_bytes_per_s(self) -> float:
        """Measured speed of reading blocks, 0 while unknown."""
        return 1 / self._byte_s if self._byte_s else 0.0

    def observe_prefill(self, tokens: int, seconds: float) -> None:
        """Note a piece of prefill."""
        if tokens > 0 and seconds > 0:
            self._token_s = _blend(self._token_s, seconds / tokens)

    def observe_read(self, size_bytes: int, seconds: float) -> None:
        """Note a read of blocks; small ones say nothing about speed."""
        if size_bytes >= _LEAST_READ_BYTES and seconds > 0:
            self._byte_s = _blend(self._byte_s, seconds / size_bytes)

    def worth_reading(self, tokens: int, size_bytes: int) -> bool:
        """Return whether to read `size_bytes` rather than compute `tokens`."""
        if not self._token_s or size_bytes * self._byte_s < self.compute_s(tokens):
            return True
        self._byte_s *= _HOPE
        return False

    def compute_s(self, tokens: int) -> float:
        """Return the seconds that a prefill of `tokens` would take; 0 while the speed is unknown."""
        return tokens * self._token_s


def _blend(old: float, new: float) -> float:
    return old + _WEIGHT * (new - old) if old else new
