"""Tables of spans: which columns a width has room for, the rows in order, and the lines of those in sight."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, fit

Row = TypeVar("Row")
Sortable = tuple[float, str]

_GAP = 1
_MARK = 2
"""Cells before the first column, for the cursor."""
_NO_WISHES: Mapping[str, int] = {}
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
    """Columns of a higher rank go first where there is no room for all; those within ten ranks grow together."""
    right: bool = False
    grows_to: int = 0
    """The cells it may have where there is room to spare; 0 is `cells`."""
    wants: Callable[[Row], int] | None = None
    """Cells that show all of a row's; what a column wants comes before what others grow by."""


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

    def wishes(self, rows: Iterable[Row]) -> dict[str, int]:
        """Return the cells that columns want for all of these rows to be whole."""
        found = list(rows)
        measured = ((column.key, column.wants) for column in self.columns if column.wants is not None)
        return {key: max(map(wants, found), default=0) for key, wants in measured}

    def layout(self, cells: int, wishes: Mapping[str, int] = _NO_WISHES) -> Layout[Row]:
        """Return the columns that fit into `cells`, each with its width."""
        chosen = sorted(self.columns, key=lambda column: column.rank)
        while len(chosen) > 1 and _needed(chosen) > cells:
            chosen.pop()
        widths = {column.key: column.cells for column in chosen}
        spare = cells - _needed(chosen)
        for bounds in _bounds(chosen, wishes):
            spare = _grown(widths, bounds, spare)
        return [(column, widths[column.key]) for column in self.columns if column.key in widths]

    def head(self, layout: Layout[Row], cells: int, sorting: Sorting) -> Line:
        """Return the line of titles; a click on one sorts by it."""
        spans = [Span(" " * _MARK)]
        for column, width in layout:
            arrow = (_BELOW if sorting.descending else _ABOVE) if column.key == sorting.key else ""
            title = Span(f"{column.title}{arrow}", Role.TITLE, f"sort('{column.key}')")
            spans += [*fit((title,), width, column.right), Span(" " * _GAP)]
        return fit(tuple(spans), cells)

    def line(self, layout: Layout[Row], row: Row, moment: Moment, cells: int, at_cursor: bool = False) -> Line:
        """Return one row; the cursor's has a mark before it."""
        spans = [Span("▸ " if at_cursor else " " * _MARK, Role.KEY)]
        for column, width in layout:
            spans += [*fit(column.cell(row, moment, width), width, column.right), Span(" " * _GAP)]
        drawn = fit(tuple(spans), cells)
        return drawn if self.is_lit(row) else tuple(_dimmed(span) for span in drawn)


Layout = list[tuple[Column[Row], int]]
"""The columns in sight, each with its width in cells."""


def _bounds(columns: Sequence[Column[Row]], wishes: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Yield what columns may grow to, one after the other: to their wishes by their ranks, the others, all of them."""
    wishing = [column for column in columns if column.key in wishes]
    for tens in range(1 + max((column.rank for column in columns), default=0) // 10):
        yield {one.key: min(one.grows_to, wishes[one.key]) for one in wishing if one.rank // 10 == tens}
    yield {column.key: column.grows_to for column in columns if column.key not in wishes}
    yield {column.key: column.grows_to for column in columns}


def _grown(widths: dict[str, int], most: Mapping[str, int], spare: int) -> int:
    """Widen evenly what is narrower than it may be, the first ones first; return the cells that are left."""
    growing = [key for key in widths if widths[key] < most.get(key, 0)]
    while spare > 0 and growing:
        for key in growing[:spare]:
            widths[key] += 1
        spare -= min(spare, len(growing))
        growing = [key for key in growing if widths[key] < most[key]]
    return spare


def _needed(columns: Sequence[Column[Row]]) -> int:
    return _MARK + sum(column.cells + _GAP for column in columns)


def _dimmed(span: Span) -> Span:
    return span._replace(role=Role.DIM) if span.role in (Role.PLAIN, Role.STRONG) else span
