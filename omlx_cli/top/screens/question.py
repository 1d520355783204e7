"""A question that is answered with yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from omlx_cli.top.spans import Line, Role, Span
from omlx_cli.top.widgets.lines import Lines

_ANSWERS: Line = (
    Span(" y", Role.KEY, "screen.answer(True)"),
    Span(" yes", Role.PLAIN, "screen.answer(True)"),
    Span("    n", Role.KEY, "screen.answer(False)"),
    Span(" no", Role.PLAIN, "screen.answer(False)"),
)


class Question(ModalScreen[bool]):
    """Asks; anything but yes is no."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q", "answer(False)", "No"),
    ]

    def __init__(self, title: str, lines: tuple[Line, ...]) -> None:
        super().__init__()
        self._title = title
        self._shown = (*lines, (), _ANSWERS)

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical() as box:
            box.border_title = self._title
            yield Lines()

    def on_mount(self) -> None:
        """Show the question."""
        self.query_one(Lines).show(self._shown)

    def action_answer(self, yes: bool) -> None:
        """Close with the answer."""
        self.dismiss(yes)
