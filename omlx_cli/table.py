"""Tables and times as people read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

_GAP = "  "
_UNITS = (
    ("year", 31_536_000),
    ("month", 2_592_000),
    ("week", 604_800),
    ("day", 86_400),
    ("hour", 3600),
    ("minute", 60),
)


def columns(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[str] = ()) -> str:
    """Return aligned lines, headers first; the columns named in `right` are aligned to the right."""
    widths = [max(len(row[index]) for row in (headers, *rows)) for index in range(len(headers))]
    lines = []
    for row in (headers, *rows):
        cells = [
            cell.rjust(width) if header in right else cell.ljust(width)
            for header, cell, width in zip(headers, row, widths, strict=True)
        ]
        lines.append(_GAP.join(cells).rstrip())
    return "\n".join(lines)


def pairs(rows: Sequence[tuple[str, str]]) -> str:
    """Return one aligned `name value` line for each row; rows without a value are left out."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name.ljust(width)}{_GAP}{value}" for name, value in rows if value)


def age(moment: str, now: datetime | None = None) -> str:
    """Return how long ago an RFC 3339 time is, such as `3 days ago`; empty for an empty or odd one."""
    try:
        then = datetime.fromisoformat(moment)
    except ValueError:
        return ""
    seconds = ((now or datetime.now(UTC)) - then.replace(tzinfo=then.tzinfo or UTC)).total_seconds()
    for unit, length in _UNITS:
        count = int(seconds // length)
        if count >= 1:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
