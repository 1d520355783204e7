"""The base of every panel: lines of spans, of which only those that changed are drawn again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from rich.segment import Segment
from rich.style import Style
from textual.app import App
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from omlx_cli.top.spans import Line, Role, width
from omlx_cli.top.themes import styles


class Lines(Widget):
    """Shows lines of spans. A span with an action does it when it is clicked."""

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"lit"}

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._lit: int | None = None
        self._styles: Mapping[Role, Style] = {}
        self._wanted_height = 0
        self._entitled = ""

    def show(self, lines: tuple[Line, ...], lit: int | None = None, height: int | None = None) -> None:
        """Show `lines`, one of them lit; `height` is what it would like to have, all of them where it is None."""
        before, before_lit = self._lines, self._lit
        self._lines, self._lit = lines, lit
        wanted = len(lines) if height is None else height
        if wanted != self._wanted_height:
            self._wanted_height = wanted
            self.refresh(layout=True)
            return
        for y in range(max(len(before), len(lines))):
            if _at(before, y) != _at(lines, y) or (y == lit) != (y == before_lit):
                self.refresh(Region(0, y, self.size.width, 1))

    def entitle(self, title: str) -> None:
        """Set the title in the border; the same title again draws nothing."""
        if title != self._entitled:
            self._entitled = title
            self.border_title = title.replace("[", "\\[")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """Return the lines that it would like to have."""
        return self._wanted_height

    def notify_style_update(self) -> None:
        """Take the colours of the theme anew."""
        super().notify_style_update()
        self._styles = {}

    def render_line(self, y: int) -> Strip:
        """Return one line of the panel."""
        if not self._styles:
            self._styles = styles(cast("App[int]", self.app))
        base = self.get_component_rich_style("lit") if y == self._lit else self.rich_style
        found = _at(self._lines, y)
        segments = [
            Segment(span.text, _with_action(base + self._styles[span.role], span.action)) for span in found if span.text
        ]
        return Strip(segments, width(found)).adjust_cell_length(self.size.width, base).simplify()


def _at(lines: tuple[Line, ...], y: int) -> Line:
    return lines[y] if y < len(lines) else ()


def _with_action(style: Style, action: str) -> Style:
    return style + Style(meta={"@click": action}) if action else style
