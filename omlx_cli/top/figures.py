"""Numbers as the dashboard writes them: few digits, a unit, never a false zero."""

from __future__ import annotations

from datetime import datetime

from omlx_cli.contract.units import format_bytes, format_duration

NONE = "-"
"""Stands where there is nothing to tell."""

_EXACT_BELOW = 10_000


def count(number: int) -> str:
    """Return a count such as `9,876`, `12.3k` or `1.2M`."""
    if number < _EXACT_BELOW:
        return f"{number:,}"
    for unit, size in (("k", 1e3), ("M", 1e6), ("G", 1e9)):
        value = number / size
        if value < 999.5:
            return f"{value:.1f}{unit}" if value < 99.95 else f"{value:.0f}{unit}"
    return f"{number / 1e12:,.1f}T"


def rate(per_s: float) -> str:
    """Return a rate such as `0`, `3.4`, `812` or `12.3k`."""
    if per_s == 0:
        return "0"
    return f"{per_s:.1f}" if per_s < 9.95 else count(round(per_s))


def byte_rate(bytes_per_s: float) -> str:
    """Return bytes a second such as `12.3 MB/s`."""
    return f"{format_bytes(round(bytes_per_s))}/s"


def share(part: float, whole: float) -> float | None:
    """Return `part / whole`; None where there is no whole."""
    return part / whole if whole > 0 else None


def percent(value: float | None) -> str:
    """Return a share such as `87%`; something that is not all, or not nothing, never rounds to it."""
    if value is None:
        return NONE
    rounded = round(value * 100)
    if rounded == 100 and value < 1:
        return "99%"
    return "<1%" if rounded == 0 and value > 0 else f"{rounded}%"


def seconds(value: float | None) -> str:
    """Return a short time such as `240ms`, `3.2s` or `1m5s`."""
    if value is None:
        return NONE
    if 0.9995 <= value < 9.95:
        return f"{value:.1f}s"
    return format_duration(max(0.0, value))


def countdown(value: float) -> str:
    """Return what is left of a time, in whole seconds and at most two units."""
    return format_duration(float(max(0, round(value)))) if value >= 0.5 else "0s"


def signed(size_bytes: int) -> str:
    """Return a size that may be below 0."""
    return f"-{format_bytes(-size_bytes)}" if size_bytes < 0 else format_bytes(size_bytes)


def of_limit(size_bytes: int, limit_bytes: int | None) -> str:
    """Return a size against its limit, such as `3.2 GB of 8.0 GB`."""
    size = format_bytes(size_bytes)
    return f"{size}, no limit" if limit_bytes is None else f"{size} of {format_bytes(limit_bytes)}"


def epoch_s(moment: str | None) -> float | None:
    """Return an RFC 3339 time as seconds since 1970; None for an odd one."""
    try:
        return datetime.fromisoformat(moment).timestamp() if moment else None
    except ValueError:
        return None


def time_of_day(moment: str) -> str:
    """Return an RFC 3339 time as local `09:41:07`; dashes for an odd one."""
    at_s = epoch_s(moment)
    return "--:--:--" if at_s is None else datetime.fromtimestamp(at_s).strftime("%H:%M:%S")
