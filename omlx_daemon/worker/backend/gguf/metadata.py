"""Typed access to a GGUF file's metadata: a wrong type is a damaged file, a missing key is named."""

from __future__ import annotations

import math

from omlx_daemon.worker.backend.gguf.errors import damaged
from omlx_daemon.worker.backend.gguf.header import Value

MAX_INTEGER = 1 << 32


class Metadata:
    """The key-value pairs; keys that begin with a dot are the architecture's own, as in `.block_count`."""

    def __init__(self, pairs: dict[str, Value]) -> None:
        self._pairs = pairs
        self.architecture = self.text("general.architecture")

    def has(self, key: str) -> bool:
        """Tell whether `key` is there."""
        return self._full(key) in self._pairs

    def integer(self, key: str, default: int | None = None) -> int:
        """Return a count between 0 and 2^32. Raises OmlxError where it is missing, or is none."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
            raise damaged(f"metadata {self._full(key)!r} is {_brief(value)}, not a count")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite number. Raises OmlxError where it is missing, or is none."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise damaged(f"metadata {self._full(key)!r} is {_brief(value)}, not a number")
        return float(f"{value:.7g}")

    def text(self, key: str, default: str | None = None) -> str:
        """Return a string. Raises OmlxError where it is missing, or is none."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise damaged(f"metadata {self._full(key)!r} is {_brief(value)}, not text")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """Return a truth value. Raises OmlxError where it is none."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise damaged(f"metadata {self._full(key)!r} is {_brief(value)}, not true or false")
        return value

    def texts(self, key: str) -> list[str]:
        """Return an array of strings. Raises OmlxError where it is missing, or is none."""
        values = self._get(key, None)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise damaged(f"metadata {self._full(key)!r} is not a list of texts")
        return [value for value in values if isinstance(value, str)]

    def numbers(self, key: str) -> list[float]:
        """Return an array of numbers. Raises OmlxError where it is missing, or is none."""
        values = self._get(key, None)
        if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
            raise damaged(f"metadata {self._full(key)!r} is not a list of numbers")
        return [value for value in values if isinstance(value, int | float)]

    def _full(self, key: str) -> str:
        return self.architecture + key if key.startswith(".") else key

    def _get(self, key: str, default: Value | None) -> Value:
        value = self._pairs.get(self._full(key), default)
        if value is None:
            raise damaged(f"metadata {self._full(key)!r} is missing")
        return value


def _brief(value: Value) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
