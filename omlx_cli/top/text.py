"""The dashboard's panels as plain text, for `omlx top --once`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from omlx_cli.contract.live import Snapshot
from omlx_cli.top import log, models, requests, spans
from omlx_cli.top.header import header
from omlx_cli.top.history import History
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line
from omlx_cli.top.table import Sorting, Table
from omlx_cli.top.tiers import tiers

CELLS = 80
_TIER_LINES = 10
_LOG_LINES = 10

Row = TypeVar("Row")


def render(snapshot: Snapshot, cells: int = CELLS) -> str:
    """Return every panel, one below the other, in lines of at most `cells` cells, each ended."""
    moment = Moment.after(snapshot, History(), 0.0)
    panels = (
        list(header(moment, cells)),
        _table(models.TABLE, snapshot.models, moment, cells),
        _table(requests.TABLE, snapshot.requests, moment, cells),
        list(tiers(moment, cells, _TIER_LINES)),
        [log.entry(one, cells) for one in snapshot.happenings[-_LOG_LINES:]],
    )
    return "".join(_lines(panel for panel in panels if panel))


def _table(table: Table[Row], rows: Iterable[Row], moment: Moment, cells: int) -> list[Line]:
    found = table.rows(rows, moment, Sorting())
    layout = table.layout(cells, table.wishes(found))
    return (
        [table.head(layout, cells, Sorting()), *(table.line(layout, row, moment, cells) for row in found)]
        if found
        else []
    )


def _lines(panels: Iterable[list[Line]]) -> Iterator[str]:
    for number, panel in enumerate(panels):
        if number:
            yield "\n"
        yield from (f"{spans.text(line).rstrip()}\n" for line in panel)
