"""Tables of spans: which columns a width has room for, the rows in order, and the lines of those in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, fit

Row = TypeVar("Row")
Sortable = tuple[float, str]

_GAP = 1
_MARK = 2
"""Cells before the first column, for the cursor."""
_ABOVE, _BELOW = "▲", "▼"


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column: how a row's cell looks, and what it is sorted by."""

    key: str
    title: str
    cells: int
    cell: Callable[[Row, Moment, int], Line]
    """Takes the cells that the column has."""
    value: Callable[[Row, Moment], Sortable]
    rank: int
    """Columns of a higher rank go first where there is no room for all."""
    right: bool = False
    grows_to: int = 0
    """The cells it may have where there is room to spare; 0 is `cells`."""


@dataclass(frozen=True)
class Sorting:
    """By which column, and whether the greatest is first; an empty key keeps the rows as they come."""

    key: str = ""
    descending: bool = False

    def by(self, key: str) -> Sorting:
        """Return the sorting after `key` was chosen: again is the other way round, and once more as they come."""
        if key != self.key:
            return Sorting(key)
        return Sorting() if self.descending else replace(self, descending=True)

    def next(self, keys: Sequence[str]) -> Sorting:
        """Return the sorting by the column after this one, and after the last as they come."""
        following = ["", *keys, ""]
        return Sorting(following[following.index(self.key) + 1 if self.key in keys else 1], self.descending)


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A kind of table: its columns, and how its rows are named and searched."""

    columns: tuple[Column[Row], ...]
    name: Callable[[Row], str]
    """What tells a row from all others."""
    words: Callable[[Row], str]
    """What a filter looks into."""
    is_lit: Callable[[Row], bool] = field(default=lambda row: True)
    """Whether a row is of interest now; others are dim."""

    def rows(self, found: Iterable[Row], moment: Moment, sorting: Sorting, wanted: str = "") -> list[Row]:
        """Return the rows that hold every word of `wanted`, in order."""
        needles = wanted.lower().split()
        kept = [row for row in found if not needles or all(word in self.words(row).lower() for word in needles)]
        column = next((column for column in self.columns if column.key == sorting.key), None)
        if column is not None:
            value = column.value
            kept.sort(key=lambda row: value(row, moment), reverse=sorting.descending)
        return kept

    def layout(self, cells: int) -> list[tuple[Column[Row], int]]:
        """Return the columns that fit into `cells`, each with its width."""
        chosen = sorted(self.columns, key=lambda column: column.rank)
        while len(chosen) > 1 and _needed(chosen) > cells:
            chosen.pop()
        widths = {column.key: column.cells for column in chosen}
        spare = cells - _needed(chosen)
        growing = [column for column in chosen if column.grows_to > column.cells]
        while spare > 0 and growing:
            for column in growing[:spare]:
                widths[column.key] += 1
            spare -= len(growing)
            growing = [column for column in growing if column.grows_to > widths[column.key]]
        return [(column, widths[column.key]) for column in self.columns if column.key in widths]

    def head(self, cells: int, sorting: Sorting) -> Line:
        """Return the line of titles; a click on one sorts by it."""
        spans = [Span(" " * _MARK)]
        for column, width in self.layout(cells):
            arrow = (_BELOW if sorting.descending else _ABOVE) if column.key == sorting.key else ""
            title = Span(f"{column.title}{arrow}", Role.TITLE, f"sort('{column.key}')")
            spans += [*fit((title,), width, column.right), Span(" " * _GAP)]
        return fit(tuple(spans), cells)

    def line(self, row: Row, moment: Moment, cells: int, at_cursor: bool = False) -> Line:
        """Return one row; the cursor's has a mark before it."""
        spans = [Span("▸ " if at_cursor else " " * _MARK, Role.KEY)]
        for column, width in self.layout(cells):
            spans += [*fit(column.cell(row, moment, width), width, column.right), Span(" " * _GAP)]
        drawn = fit(tuple(spans), cells)
        return drawn if self.is_lit(row) else tuple(_dimmed(span) for span in drawn)


def _needed(columns: Sequence[Column[Row]]) -> int:
    return _MARK + sum(column.cells + _GAP for column in columns)


def _dimmed(span: Span) -> Span:
    return span._replace(role=Role.DIM) if span.role in (Role.PLAIN, Role.STRONG) else span
