"""The cache's tiers, as closely as the room wants it."""

from __future__ import annotations

from omlx_cli.top.moment import Moment
from omlx_cli.top.tiers import tiers
from omlx_cli.top.widgets.lines import Lines

_MOST_ROWS = 12


class TiersPane(Lines, can_focus=True):
    """Shows the tiers, in as many lines as it has."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._moment: Moment | None = None
        self.border_title = "Cache"

    def take(self, moment: Moment) -> None:
        """Show the tiers as they are at this moment."""
        self._moment = moment
        self.update()

    def update(self) -> None:
        """Draw again, after the size changed."""
        if self._moment is None:
            return
        cells = self.size.width
        wanted = len(tiers(self._moment, cells, _MOST_ROWS))
        self.show(tiers(self._moment, cells, self.size.height or _MOST_ROWS), height=wanted)

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.update()
