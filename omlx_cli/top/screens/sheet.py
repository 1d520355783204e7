"""A page over the panels: help, memory's terms, one request, one model."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen

from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line
from omlx_cli.top.widgets.lines import Lines

Draw = Callable[[Moment, int], tuple[Line, ...]]


class Sheet(ModalScreen[None]):
    """Shows what `draw` makes of the moment, and goes on doing so until it is closed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,question_mark", "close", "Close"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
    ]

    def __init__(self, title: str, draw: Draw, moment: Moment | None) -> None:
        super().__init__()
        self._title = title
        self._draw = draw
        self._moment = moment
        self._lines = Lines()

    def compose(self) -> ComposeResult:
        """Make the page."""
        with VerticalScroll() as page:
            page.border_title = self._title
            page.border_subtitle = "esc closes"
            yield self._lines

    def take(self, moment: Moment) -> None:
        """Show the page as it is at this moment."""
        self._moment = moment
        self._lines.show(self._draw(moment, max(20, self._lines.size.width)))

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.call_after_refresh(self._again)

    def action_close(self) -> None:
        """Close the page."""
        self.dismiss()

    def action_scroll(self, by: int) -> None:
        """Scroll the page."""
        self.query_one(VerticalScroll).scroll_relative(y=by, animate=False)

    def _again(self) -> None:
        if self._moment is not None:
            self.take(self._moment)
