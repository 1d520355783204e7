"""Durations and sizes as people write them: `7d`, `1h30m`, `never`; `100GB`, `8GiB`, `20%`."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|[smhdw])")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)(B?)", re.IGNORECASE)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_POWERS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}

NEVER = math.inf
"""The duration `never`, in seconds."""


def parse_duration_s(text: str) -> float:
    """Return the seconds in `text`; `never` is `math.inf`.

    Raises ValueError, with an example in the message, for bare numbers, negatives and unknown units.
    """
    value = text.strip()
    if value == "never":
        return NEVER
    if value == "0":
        return 0.0
    if not _DURATION.fullmatch(value):
        raise ValueError(f"{text!r} is not a duration; write for example 30s, 10m, 1h30m, 7d, 0 or never")
    return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(value))


def parse_keep_alive_s(value: str | float) -> float:
    """Return the seconds in a `keep_alive` as Ollama spells it: `5m`, a number of seconds, or below 0 for ever.

    Raises ValueError, with an example in the message.
    """
    if isinstance(value, str):
        text = value.strip()
        try:
            value = float(text) if _NUMBER.fullmatch(text) else parse_duration_s(text.removeprefix("-"))
        except ValueError:
            message = f"{text!r} is no time to keep a model; write for example 5m, 300, 0, or -1 for ever"
            raise ValueError(message) from None
        value = -1.0 if text.startswith("-") and value else value
    return NEVER if value < 0 else float(value)


def format_duration(seconds: float) -> str:
    """Return `seconds` in at most two units, such as `1h30m`; infinity is `never`."""
    if math.isinf(seconds):
        return "never"
    if seconds < 0.9995:
        return f"{round(seconds * 1000)}ms" if seconds else "0"
    parts: list[str] = []
    left = round(seconds)
    for unit in ("w", "d", "h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2])


def parse_size_bytes(text: str, base_bytes: int | None = None) -> int:
    """Return the bytes in `text`, rounded down; `20%` is of `base_bytes`.

    Raises ValueError, with an example in the message, for negatives, over 100 % and percentages without a base.
    """
    value = text.strip()
    percent = _PERCENT.fullmatch(value)
    if percent:
        return _share_bytes(text, float(percent[1]), base_bytes)
    size = _SIZE.fullmatch(value)
    if not size:
        raise ValueError(f"{text!r} is not a size; write for example 100GB, 8GiB, 512MiB or 20%")
    number, prefix, binary, _ = size.groups()
    return int(float(number) * (1024 if binary else 1000) ** _POWERS[prefix.upper()])


def _share_bytes(text: str, percent: float, base_bytes: int | None) -> int:
    if percent > 100:
        raise ValueError(f"{text!r} is over 100 %; write for example 20%")
    if base_bytes is None:
        raise ValueError(f"{text!r}: a percentage has no meaning here; write for example 8GiB")
    return int(base_bytes * percent / 100)


def format_bytes(count: int) -> str:
    """Return `count` bytes in decimal units with at most three digits, such as `98.4 MB`."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
