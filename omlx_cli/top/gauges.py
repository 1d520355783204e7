"""Bars and sparklines of characters. Each shows by its shape alone what its colour says again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omlx_cli.contract.api import MemoryLevel
from omlx_cli.top.spans import Line, Role, Span

YELLOW_SHARE = 0.80
RED_SHARE = 0.95

LEVEL_ROLES = {MemoryLevel.GREEN: Role.GOOD, MemoryLevel.YELLOW: Role.WARN, MemoryLevel.RED: Role.BAD}

_RANKS = tuple(MemoryLevel)
_FULL, _HALF, _EMPTY = "━", "╸", "─"
_STEPS = "▂▃▄▅▆▇█"
_NOTHING = "▁"
_PIECES = {Role.HOT: "█", Role.COLD: "▓", Role.NEW: "▒", Role.DIM: "·"}


def level(share: float | None) -> MemoryLevel:
    """Return the level of a share of a limit: yellow from 80 %, red from 95 %."""
    if share is None or share < YELLOW_SHARE:
        return MemoryLevel.GREEN
    return MemoryLevel.YELLOW if share < RED_SHARE else MemoryLevel.RED


def worse(one: MemoryLevel, other: MemoryLevel) -> MemoryLevel:
    """Return the higher of two levels."""
    return max(one, other, key=_RANKS.index)


def bar(share: float | None, cells: int, role: Role = Role.GOOD) -> Line:
    """Return a gauge of `cells` cells; a share above 1 is a full one, and one above 0 never an empty one."""
    halves = round(min(1.0, max(0.0, share or 0.0)) * cells * 2)
    if share and share > 0:
        halves = max(1, halves if share >= 1 else min(halves, cells * 2 - 1))
    full, half = divmod(halves, 2)
    filled = _FULL * full + (_HALF if half else "")
    return (Span(filled, role), Span(_EMPTY * (cells - len(filled)), Role.DIM))


def pieces(parts: Sequence[tuple[Role, int]], total: int, cells: int) -> Line:
    """Return a bar of parts of `total` laid end to end, each with its own character; the rest is dots.

    Ends fall where the running sum says, so that the parts together are as long as their sum.
    """
    spans: list[Span] = []
    done = drawn = 0
    for role, size in parts:
        done += size
        end = round(min(1.0, done / total) * cells) if total > 0 else 0
        if end > drawn:
            spans.append(Span(_PIECES[role] * (end - drawn), role))
            drawn = end
    if drawn < cells:
        spans.append(Span(_PIECES[Role.DIM] * (cells - drawn), Role.DIM))
    return tuple(spans)


def sign(role: Role) -> str:
    """Return the character that a part of this role has in `pieces`."""
    return _PIECES[role]


def sparkline(values: Sequence[float], cells: int, span: int | None = None) -> str:
    """Return the last `span` values (all where None) in `cells` characters, the newest at the right.

    A character is the highest value of its stretch, scaled to the highest of all; nothing is a low line, and blank is
    where there is no value yet.
    """
    length = span or len(values)
    recent = values[-length:]
    blank = length - len(recent)
    top = max(recent, default=0.0)
    columns = (_stretch(recent, index, cells, length, blank) for index in range(cells))
    return "".join(_character(column, top) for column in columns)


def spark(values: Sequence[float], cells: int, role: Role, span: int) -> Line:
    """Return a sparkline of the last `span` values, with dots where there is no value yet."""
    found = sparkline(values, cells, span)
    known = found.lstrip()
    return (Span(_PIECES[Role.DIM] * (len(found) - len(known)), Role.DIM), Span(known, role))


def _stretch(values: Sequence[float], index: int, cells: int, length: int, blank: int) -> Sequence[float]:
    start = index * length // cells - blank
    end = max(start + 1, (index + 1) * length // cells - blank)
    return values[max(0, start) : max(0, end)]


def _character(values: Iterable[float], top: float) -> str:
    value = max(values, default=None)
    if value is None:
        return " "
    if value <= 0 or top <= 0:
        return _NOTHING
    return _STEPS[min(len(_STEPS) - 1, int(value / top * len(_STEPS)))]
