"""A table with a cursor, an order and a filter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic

from textual.binding import Binding, BindingType
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual.widget import Widget

from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, line
from omlx_cli.top.table import Layout, Row, Sorting, Table
from omlx_cli.top.widgets.lines import Lines


class Opened(Message):
    """A row is wanted in detail."""

    def __init__(self, grid: Widget, name: str) -> None:
        super().__init__()
        self.grid = grid
        self.name = name


class Grid(Lines, Generic[Row], can_focus=True):
    """Shows as many rows of a table as there is room for, around the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
        Binding("enter", "open", "Detail", show=False),
    ]

    def __init__(self, title: str, table: Table[Row], nothing: str, *, id: str) -> None:
        super().__init__(id=id)
        self.wanted = ""
        """Words that shown rows hold."""
        self.sorting = Sorting()
        self._title = title
        self._table = table
        self._nothing = nothing
        self._rows: list[Row] = []
        self._found: Sequence[Row] = ()
        self._moment: Moment | None = None
        self._wishes: dict[str, int] = {}
        """The cells that columns wanted so far; a table that grew narrower now and then would be restless."""
        self._name = ""
        self._index = self._offset = 0

    @property
    def chosen(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._index] if self._rows else None

    def take(self, found: Sequence[Row], moment: Moment) -> None:
        """Show these rows as they are at this moment."""
        self._found, self._moment = found, moment
        self.update()

    def update(self) -> None:
        """Draw again, after the order, the filter, the cursor or the size changed."""
        if self._moment is None:
            return
        for key, cells in self._table.wishes(self._found).items():
            self._wishes[key] = max(cells, self._wishes.get(key, 0))
        self._rows = self._table.rows(self._found, self._moment, self.sorting, self.wanted)
        self._find_cursor()
        room = max(1, self.size.height - 1)
        self._offset = max(0, min(self._offset, len(self._rows) - room, self._index))
        self._offset = max(self._offset, self._index - room + 1)
        self.entitle(self._heading(room))
        self.show(self._drawn(self._moment, room), self._lit_line(), max(1, len(self._rows)) + 1)

    def action_move(self, by: int) -> None:
        """Move the cursor."""
        if self._rows:
            self._index = max(0, min(len(self._rows) - 1, self._index + by))
            self._name = self._table.name(self._rows[self._index])
            self.update()

    def action_page(self, by: int) -> None:
        """Move the cursor by what is in sight."""
        self.action_move(by * max(1, self.size.height - 2))

    def action_open(self) -> None:
        """Ask for the detail of the row under the cursor."""
        if self._rows:
            self.post_message(Opened(self, self._table.name(self._rows[self._index])))

    def action_sort(self, key: str) -> None:
        """Order by a column; again turns the order round."""
        self.sorting = self.sorting.by(key)
        self.update()

    def sort_next(self) -> None:
        """Order by the next column that is in sight."""
        keys = [column.key for column, _ in self._layout()]
        self.sorting = self.sorting.next(keys)
        self.update()

    def sort_reversed(self) -> None:
        """Turn the order round."""
        self.sorting = Sorting(self.sorting.key, not self.sorting.descending)
        self.update()

    def on_resize(self) -> None:
        """Fit the columns and the rows to the new size."""
        self.update()

    def on_focus(self) -> None:
        """Light the cursor's row."""
        self.update()

    def on_blur(self) -> None:
        """Put the light out."""
        self.update()

    def on_click(self, event: Click) -> None:
        """Put the cursor where the mouse is; twice opens the row."""
        row = event.get_content_offset(self)
        index = self._offset + row.y - 1 if row is not None and row.y > 0 else -1
        if 0 <= index < len(self._rows):
            self.action_move(index - self._index)
            if event.chain == 2:
                self.action_open()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Move down."""
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Move up."""
        event.stop()
        self.action_move(-3)

    def _find_cursor(self) -> None:
        """Keep the cursor on its row, or near where that was."""
        names = [self._table.name(row) for row in self._rows]
        if self._name in names:
            self._index = names.index(self._name)
        elif names:
            self._index = max(0, min(self._index, len(names) - 1))
            self._name = names[self._index]
        else:
            self._index = 0

    def _drawn(self, moment: Moment, room: int) -> tuple[Line, ...]:
        cells = self.size.width
        layout = self._layout()
        head = self._table.head(layout, cells, self.sorting)
        if not self._rows:
            return head, line(f"  {'nothing matches the filter' if self._found else self._nothing}", Role.DIM)
        seen = self._rows[self._offset : self._offset + room]
        drawn = (
            self._table.line(layout, row, moment, cells, number == self._index)
            for number, row in enumerate(seen, self._offset)
        )
        return head, *drawn

    def _layout(self) -> Layout[Row]:
        return self._table.layout(self.size.width, self._wishes)

    def _lit_line(self) -> int | None:
        return self._index - self._offset + 1 if self.has_focus and self._rows else None

    def _heading(self, room: int) -> str:
        """Return the title, with what of the rows is in sight."""
        parts = [f"{self._title} {len(self._found)}" if self._found else self._title]
        if self.wanted:
            parts.append(f"filter: {self.wanted}")
        if len(self._rows) > room:
            parts.append(f"{self._offset + 1}-{min(len(self._rows), self._offset + room)} of {len(self._rows)}")
        return " · ".join(parts)
