"""The log of what happened: the newest at the bottom, until it is scrolled away from there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.events import MouseScrollDown, MouseScrollUp

from omlx_cli.contract.live import Happening
from omlx_cli.top.log import LogClass, chosen, entry
from omlx_cli.top.spans import Role, line
from omlx_cli.top.widgets.lines import Lines


class LogPane(Lines, can_focus=True):
    """Shows the end of the log, or a place in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home,g", "move(-1000000)", "First", show=False),
        Binding("end,G", "move(1000000)", "Last", show=False),
    ]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.wanted = ""
        """Words that shown lines hold."""
        self.log_class = LogClass.ALL
        self._log: Sequence[Happening] = ()
        self._found: list[Happening] = []
        self._bottom: Happening | None = None
        """The last line in sight, where it is not the newest."""

    def take(self, log: Sequence[Happening]) -> None:
        """Show this log."""
        self._log = log
        self.update()

    def update(self) -> None:
        """Draw again, after the filter, the place or the size changed."""
        self._found = chosen(self._log, self.log_class, self.wanted)
        room = max(1, self.size.height)
        end = self._end()
        seen = self._found[max(0, end - room) : end]
        cells = self.size.width
        nothing = (line(f" {'nothing like that' if self._log else 'nothing'} has happened yet", Role.DIM),)
        self.show(tuple(entry(one, cells) for one in seen) or nothing, height=max(1, len(self._found)))
        self.entitle(self._heading(end))

    def next_class(self) -> None:
        """Narrow the log to the next class."""
        self.log_class = self.log_class.next
        self._bottom = None
        self.update()

    def action_move(self, by: int) -> None:
        """Scroll; at the end it follows the log again."""
        end = max(min(len(self._found), self.size.height), min(len(self._found), self._end() + by))
        self._bottom = None if end >= len(self._found) else self._found[end - 1]
        self.update()

    def action_page(self, by: int) -> None:
        """Scroll by what is in sight."""
        self.action_move(by * max(1, self.size.height - 1))

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.update()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        """Scroll down."""
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        """Scroll up."""
        event.stop()
        self.action_move(-3)

    def _end(self) -> int:
        """Return where what is in sight ends; its last line may have left the log meanwhile."""
        if self._bottom is None:
            return len(self._found)
        number = self._bottom.number
        return next(
            (index + 1 for index, one in enumerate(self._found) if one is self._bottom or one.number > number), 0
        )

    def _heading(self, end: int) -> str:
        """Return the title, with what of the log is in sight."""
        below = len(self._found) - end
        parts = (
            "Events",
            f"only {self.log_class.value}" if self.log_class is not LogClass.ALL else "",
            f"filter: {self.wanted}" if self.wanted else "",
            f"{below} newer below" if below else "",
        )
        return " · ".join(part for part in parts if part)
