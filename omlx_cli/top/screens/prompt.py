"""One line of text from the user."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from omlx_cli.top.spans import Role, line
from omlx_cli.top.widgets.lines import Lines


class Prompt(ModalScreen[str | None]):
    """Asks for text; `check` returns what is wrong with it, or empty, and `changed` sees it while it is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Cancel")]

    def __init__(
        self,
        title: str,
        value: str,
        note: str,
        check: Callable[[str], str] = lambda text: "",
        changed: Callable[[str], object] = lambda text: None,
    ) -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._note = note
        self._check = check
        self._changed = changed

    def compose(self) -> ComposeResult:
        """Make the box."""
        with Vertical() as box:
            box.border_title = self._title
            yield Input(self._value, select_on_focus=False, compact=True)
            yield Lines()

    def on_mount(self) -> None:
        """Show the note."""
        self.query_one(Lines).show((line(self._note, Role.DIM),))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell who wants to know."""
        self._changed(event.value)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Close with the text, once nothing is wrong with it."""
        wrong = self._check(event.value)
        if wrong:
            self.query_one(Lines).show((line(wrong, Role.BAD),))
        else:
            self.dismiss(event.value)

    def action_leave(self) -> None:
        """Close without text."""
        self.dismiss(None)
