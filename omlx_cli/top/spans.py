"""Text with a meaning: what the panels are made of, before anything is known of screens and colours."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from textwrap import wrap
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size


class Role(StrEnum):
    """What a piece of text means; a theme gives each role its colour, and none says anything by colour alone."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    TITLE = "title"
    KEY = "key"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    HOT = "hot"
    COLD = "cold"
    NEW = "new"
    """Computed anew."""


class Span(NamedTuple):
    """A piece of one line; `action` is what a click on it does."""

    text: str
    role: Role = Role.PLAIN
    action: str = ""


Line = tuple[Span, ...]

GAP = Span("  ")
GAP_CELLS = len(GAP.text)


def clean(text: str) -> str:
    """Return text that came from outside, without what would move the cursor or change colours."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "\ufffd" for char in text)


def line(text: str, role: Role = Role.PLAIN) -> Line:
    """Return a line of one span."""
    return (Span(text, role),)


def width(spans: Iterable[Span]) -> int:
    """Return the cells that spans take on a screen."""
    return sum(len(span.text) if span.text.isascii() else cell_len(span.text) for span in spans)


def text(spans: Iterable[Span]) -> str:
    """Return the text of spans alone."""
    return "".join(span.text for span in spans)


def joined(parts: Iterable[Line], gap: Span = GAP) -> Line:
    """Return the parts that are not empty as one line, with a gap between each two."""
    spans: list[Span] = []
    for part in parts:
        if part:
            spans.extend((gap, *part) if spans else part)
    return tuple(spans)


def fitting(parts: Iterable[Line], cells: int, gap: Span = GAP) -> Line:
    """Return as many of the leading parts as fit into `cells`, as one line."""
    chosen: list[Line] = []
    used = 0
    for part in parts:
        needed = width(part) + (width((gap,)) if chosen else 0)
        if part and used + needed > cells:
            break
        chosen.append(part)
        used += needed if part else 0
    return joined(chosen, gap) if chosen else ()


def fit(spans: Line, cells: int, right: bool = False) -> Line:
    """Return spans of exactly `cells` cells: padded, or cut with an ellipsis."""
    missing = cells - width(spans)
    if missing == 0:
        return spans
    if missing > 0:
        pad = Span(" " * missing)
        return (pad, *spans) if right else (*spans, pad)
    return _cut(spans, cells)


def wrapped(spans: Line, cells: int, most: int) -> tuple[Line, ...]:
    """Return a line's text in its first role, in `most` lines of `cells` cells, broken between words."""
    if not spans:
        return ()
    found = wrap(text(spans), max(1, cells), max_lines=most, placeholder=" …" if cells > 1 else "")
    return tuple((Span(part, spans[0].role),) for part in found)


def _cut(spans: Line, cells: int) -> Line:
    kept: list[Span] = []
    left = cells - 1
    for span in spans:
        size = width((span,))
        if size > left:
            kept.append(span._replace(text=f"{set_cell_size(span.text, max(0, left))}…"[: max(0, cells)]))
            break
        kept.append(span)
        left -= size
    return tuple(kept)
