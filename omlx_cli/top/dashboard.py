"""The dashboard's app: follows the feed, and shows what it knows at most four times a second."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from functools import partial
from typing import ClassVar, Protocol

from textual.app import App, ComposeResult, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen

from omlx_cli import __version__
from omlx_cli.contract.live import Happening, LiveEvent, Snapshot
from omlx_cli.top import detail, keys, state, themes
from omlx_cli.top.acting import Acting
from omlx_cli.top.control import Control
from omlx_cli.top.feed import Down
from omlx_cli.top.header import header
from omlx_cli.top.history import History
from omlx_cli.top.moment import Moment
from omlx_cli.top.spans import Line, Role, Span, clean, fit, line, wrapped
from omlx_cli.top.widgets.board import Board
from omlx_cli.top.widgets.grid import Opened
from omlx_cli.top.widgets.lines import Lines
from omlx_cli.top.widgets.log_pane import LogPane

PAINT_EVERY_S = 0.25
_STILL_EVERY_S = 1.0
"""How often ages and countdowns are drawn anew where nothing else happens."""
_TOLD_S, _FAILED_S = 8.0, 20.0
_TOLD_LINES = 3


class Source(Protocol):
    """Where the events come from."""

    def events(self) -> AsyncGenerator[LiveEvent | Down, None]:
        """Yield events for ever, and a Down whenever the daemon is lost."""
        ...


class TopApp(App[int]):
    """Shows a daemon."""

    CSS_PATH = "top.tcss"
    TITLE = "omlx top"
    BINDINGS: ClassVar[list[BindingType]] = [
        *((key.key, key.action, key.help) for key in keys.KEYS if key.key != "ctrl+p"),
        ("ctrl+c", "quit", "leave"),
        ("escape", "clear", "clear the filter"),
    ]

    def __init__(
        self,
        source: Source,
        control: Control,
        on_shown: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        theme: str = "",
        keep_theme: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Show what `source` says in a theme, and tell `keep_theme` of another one that the user chose."""
        super().__init__()
        self._clock = clock
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-medium"), (180, "-broad")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]
        self._on_shown = on_shown
        for own in themes.OURS:
            self.register_theme(own)
        self._keep_theme = keep_theme
        self.theme = theme if theme in self.available_themes else themes.NIGHT.name
        self.history = History()
        self.snapshot: Snapshot | None = None
        """The daemon after the last event; None before the first."""
        self._acting = Acting(self, control)
        self._source = source
        self._down = ""
        self._heard_s = self._shown_s = self._panels_s = self._told_until_s = 0.0
        self._is_new = False
        self._held: tuple[Moment, Sequence[Happening]] | None = None
        """What stands still on the screen while it is paused."""
        self._told: Line = ()
        """What stands in the place of the hints."""
        self._board = Board(id="board")
        self._head, self._foot, self._offline = Lines(id="head"), Lines(id="foot"), Lines(id="offline")

    def compose(self) -> ComposeResult:
        """Make the header, the panels and the line of hints."""
        yield self._head
        yield self._board
        yield self._offline
        yield self._foot

    def on_mount(self) -> None:
        """Begin to follow the daemon."""
        self._board.requests.focus()
        self.run_worker(self._follow())
        self.set_interval(PAINT_EVERY_S, self.paint)

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.call_after_refresh(self._show)

    async def _follow(self) -> None:
        async for event in self._source.events():
            if isinstance(event, Down):
                self._down = event.reason
            else:
                self._take(event)
            if isinstance(event, Snapshot | Down):
                self._show()
                self.call_after_refresh(self._shown_first)

    def _shown_first(self) -> None:
        """Tell once that there is something to see."""
        on_shown, self._on_shown = self._on_shown, lambda: None
        on_shown()

    def _take(self, event: LiveEvent) -> None:
        """Apply one event to what is known."""
        if isinstance(event, Snapshot):
            self._down = ""
            known = event
        elif self.snapshot is not None:
            known = state.apply(self.snapshot, event)
        else:
            return
        self.snapshot = known
        if isinstance(event, Happening):
            self.history.note(event)
        else:
            self.history.take(known)
            self._heard_s = self._clock()
        self._is_new = True

    def moment(self) -> Moment | None:
        """Return what is to be shown: the daemon as it is now, as it was when it was lost, or as it was held."""
        if self._held is not None:
            return self._held[0]
        if self.snapshot is None:
            return None
        seconds = 0.0 if self._down else self._clock() - self._heard_s
        return Moment.after(self.snapshot, self.history, seconds)

    def paint(self) -> None:
        """Show what is new, and once a second what only time moves."""
        now_s = self._clock()
        if self._told and now_s > self._told_until_s:
            self.tell("")
        if self._held is None and (self._is_new or now_s - self._shown_s >= _STILL_EVERY_S):
            self._show()

    def _show(self) -> None:
        if not self._board.is_attached:
            return
        self._is_new = False
        self._shown_s = self._clock()
        moment = self.moment()
        self._show_connection(moment)
        self._show_foot()
        if moment is None:
            return
        self._show_panels(moment)
        take = getattr(self.screen, "take", None)
        if take is not None:
            take(moment)

    def _show_panels(self, moment: Moment) -> None:
        """Show the header and the panels; under a page they are drawn whole each time, and then less often."""
        is_covered = len(self.screen_stack) > 1
        if is_covered and self._shown_s - self._panels_s < _STILL_EVERY_S:
            return
        self._panels_s = self._shown_s
        self._head.show(header(moment, self.size.width, self._mark()))
        self._board.take(moment, self._held[1] if self._held else self.history.log)

    def _show_connection(self, moment: Moment | None) -> None:
        """Say that the daemon is not there: alone on the screen, or below what was seen last."""
        is_alone = moment is None
        self._board.display = not is_alone
        self._board.set_class(bool(self._down), "-stale")
        self._offline.display = bool(self._down) or is_alone
        self._offline.set_class(is_alone, "-alone")
        if is_alone:
            self._head.show((fit((Span(f" omlx {__version__}", Role.STRONG),), self.size.width), ()))
        if self._down:
            was = "" if is_alone else "; above is how it was"
            self._offline.show((line(f" {clean(self._down)}: press s to start it{was} ", Role.BAD),))
        else:
            self._offline.show((line(" asking the daemon…", Role.DIM),))

    def _mark(self) -> Line:
        if self._held is not None:
            return line("‖ paused", Role.WARN)
        return line("× not connected", Role.BAD) if self._down else line("● live", Role.GOOD)

    def _show_foot(self) -> None:
        cells = self.size.width
        told = tuple((Span(" "), *part) for part in wrapped(self._told, cells - 2, _TOLD_LINES))
        self._foot.show(told or (fit(keys.hints(cells, is_down=bool(self._down)), cells),))

    def tell(self, text: str, failed: bool = False) -> None:
        """Tell something in the last line: for a while, or until there is more to tell where it ends with `…`."""
        role = Role.BAD if failed else Role.GOOD
        self._told = line(f"{'error: ' if failed else ''}{clean(text)}", role) if text else ()
        self._told_until_s = math.inf if text.endswith("…") else self._clock() + (_FAILED_S if failed else _TOLD_S)
        self._show_foot()

    def open(self, title: str, draw: Callable[[Moment, int], tuple[Line, ...]]) -> None:
        """Open a page over the panels."""
        from omlx_cli.top.screens.sheet import Sheet

        moment = self.moment()
        if moment is not None:
            self.push_screen(Sheet(title, draw, moment))

    def on_opened(self, event: Opened) -> None:
        """Show a row in detail."""
        if event.grid is self._board.models:
            self.open("Model", partial(detail.model, event.name))
        else:
            self.open("Request", partial(detail.request, event.name))

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Yield what the palette finds: all that has a key."""
        for key in keys.KEYS:
            if key.key != "ctrl+p":
                yield SystemCommand(f"{key.title} ({key.name})", key.help, partial(self.run_action, key.action))

    def action_help(self) -> None:
        """Show what the keys do."""
        from omlx_cli.top.screens.sheet import Sheet

        self.push_screen(Sheet("Keys", lambda _, cells: keys.help_lines(cells), self.moment()))

    def action_memory(self) -> None:
        """Show the terms of memory."""
        self.open("Memory", detail.memory)

    def action_load(self) -> None:
        """Load a model."""
        self._acting.load()

    def action_unload(self) -> None:
        """Unload the model at the cursor."""
        self._acting.unload(self._board.models.chosen)

    def action_pin(self) -> None:
        """Pin the model at the cursor, or let go of it."""
        self._acting.pin(self._board.models.chosen)

    def action_cancel(self) -> None:
        """Cancel the request at the cursor."""
        self._acting.cancel(self._board.requests.chosen)

    def action_prune(self) -> None:
        """Prune the cache."""
        self._acting.prune()

    def action_start(self) -> None:
        """Start the daemon."""
        self._acting.start()

    def action_pause(self) -> None:
        """Hold the screen still, or go on."""
        moment = self.moment()
        if self._held is not None:
            self._held = None
        elif moment is not None:
            self._held = moment, tuple(self.history.log)
        self._show()

    def action_sort(self) -> None:
        """Sort by the next column; start the daemon where there is none."""
        panel = self._board.panel
        if self._down:
            self._acting.start()
        elif not isinstance(panel, LogPane):
            panel.sort_next()

    def action_reverse(self) -> None:
        """Turn the order round."""
        panel = self._board.panel
        if not isinstance(panel, LogPane):
            panel.sort_reversed()

    def action_classes(self) -> None:
        """Narrow the events to the next class."""
        self._board.log_pane.next_class()

    def action_theme(self) -> None:
        """Take the next theme."""
        names = [*(theme.name for theme in themes.OURS), *sorted(self.available_themes)]
        names = list(dict.fromkeys(names))
        self.theme = names[(names.index(self.theme) + 1) % len(names)]
        self._keep_theme(self.theme)
        self.tell(f"theme: {self.theme}")

    def action_panel(self, name: str) -> None:
        """Go to a panel."""
        self._board.go_to(name)

    def action_zoom(self) -> None:
        """Give the panel with the focus all the room, or put it back."""
        self._board.zoom()

    def action_filter(self) -> None:
        """Ask for the words that rows must hold."""
        from omlx_cli.top.screens.prompt import Prompt

        panel = self._board.panel
        before = panel.wanted

        def look_for(words: str | None) -> None:
            panel.wanted = before if words is None else words
            panel.update()

        self.push_screen(
            Prompt("Filter", before, " rows that hold all these words; enter keeps it", changed=look_for), look_for
        )

    def action_clear(self) -> None:
        """Clear the filter."""
        self._board.panel.wanted = ""
        self._board.panel.update()
