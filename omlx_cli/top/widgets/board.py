"""The panels side by side: which there are, and which one is meant."""

from __future__ import annotations

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Container
from textual.widget import Widget

from omlx_cli.contract.api import RequestInfo, SlotInfo
from omlx_cli.contract.live import Happening
from omlx_cli.top import models, requests
from omlx_cli.top.moment import Moment
from omlx_cli.top.widgets.grid import Grid
from omlx_cli.top.widgets.log_pane import LogPane
from omlx_cli.top.widgets.tiers_pane import TiersPane


class Board(Container):
    """Models and requests, and beside or below them the cache and the events."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.models: Grid[SlotInfo] = Grid("Models", models.TABLE, "no model is in memory: l loads one", id="models")
        self.requests: Grid[RequestInfo] = Grid("Requests", requests.TABLE, "no request runs or waits", id="requests")
        self.tiers = TiersPane(id="tiers")
        self.log_pane = LogPane(id="log")
        self._zoomed: Widget | None = None

    def compose(self) -> ComposeResult:
        """Make the panels."""
        with Container(id="work"):
            yield self.models
            yield self.requests
        with Container(id="stores"):
            yield self.tiers
            yield self.log_pane

    def take(self, moment: Moment, log: Sequence[Happening]) -> None:
        """Show all panels as they are at this moment."""
        self.models.take(moment.snapshot.models, moment)
        self.requests.take(moment.snapshot.requests, moment)
        self.tiers.take(moment)
        self.log_pane.take(log)

    @property
    def panel(self) -> Grid[SlotInfo] | Grid[RequestInfo] | LogPane:
        """The panel with the focus that has rows to choose from; the requests where none has it."""
        panels = (self.models, self.requests, self.log_pane)
        return next((panel for panel in panels if panel.has_focus), self.requests)

    def go_to(self, name: str) -> None:
        """Give a panel the focus."""
        self.get_widget_by_id(name).focus()

    def zoom(self) -> None:
        """Give the panel with the focus all the room, or put it back."""
        panels: tuple[Widget, ...] = (self.models, self.requests, self.tiers, self.log_pane)
        wanted = None if self._zoomed else next((panel for panel in panels if panel.has_focus), self.requests)
        self._zoomed = wanted
        for panel in panels:
            panel.display = wanted is None or panel is wanted
            panel.set_class(panel is wanted, "-zoomed")
        for half in self.children:
            half.display = wanted is None or wanted in half.children
