"""What the keys do: the hints at the bottom, and the page of help."""

from __future__ import annotations

from typing import NamedTuple

from omlx_cli.top.spans import Line, Role, Span, fit, fitting, line


class Key(NamedTuple):
    """One key; `label` is its hint at the bottom, empty where it has none."""

    key: str
    action: str
    label: str
    help: str

    @property
    def name(self) -> str:
        """How the key is written."""
        return _NAMES.get(self.key, self.key)

    @property
    def title(self) -> str:
        """What it does, in a word or two."""
        return (self.label or _TITLES.get(self.action, self.action)).capitalize()


DOWN_KEYS = (
    Key("s", "start", "start the daemon", "start the daemon, while it is not running"),
    Key("question_mark", "help", "help", "show this page"),
    Key("q", "quit", "quit", "leave"),
)
KEYS = (
    Key("question_mark", "help", "help", "show this page"),
    Key("q", "quit", "quit", "leave"),
    Key("l", "load", "load", "load a model"),
    Key("u", "unload", "unload", "unload the model at the cursor"),
    Key("p", "pin", "pin", "pin the model at the cursor, or let go of it"),
    Key("c", "cancel", "cancel", "cancel the request at the cursor"),
    Key("x", "prune", "prune", "prune the cache: first a preview, then a question"),
    Key("space", "pause", "pause", "hold the screen still, or go on"),
    Key("slash", "filter", "filter", "filter the panel: rows that hold these words"),
    Key("s", "sort", "sort", "sort by the next column, as a click on a title does"),
    Key("r", "reverse", "", "turn the order round"),
    Key("f", "classes", "events", "narrow the events: trouble, models, cache, requests"),
    Key("m", "memory", "memory", "show the terms behind the memory gauge"),
    Key("t", "theme", "theme", "change the theme: night, day, and those of Textual"),
    Key("1", "panel('models')", "", "go to the models"),
    Key("2", "panel('requests')", "", "go to the requests"),
    Key("3", "panel('tiers')", "", "go to the cache"),
    Key("4", "panel('log')", "", "go to the events"),
    Key("z", "zoom", "", "give the panel the whole screen, or put it back"),
    Key("ctrl+p", "command_palette", "palette", "find a command by its name"),
)
_MORE = (
    ("tab", "next panel"),
    ("up, down, j, k", "move the cursor"),
    ("enter", "show the row at the cursor in detail"),
    ("esc", "close what is open, or clear the filter"),
)
_TITLES = {
    "panel('models')": "go to models",
    "panel('requests')": "go to requests",
    "panel('tiers')": "go to cache",
    "panel('log')": "go to events",
}
_NAMES = {"question_mark": "?", "slash": "/", "ctrl+p": "^p"}


def hints(cells: int, is_down: bool) -> Line:
    """Return the hints that fit into one line; each can be clicked."""
    keys = DOWN_KEYS if is_down else KEYS
    parts = (
        (Span(key.name, Role.KEY, f"app.{key.action}"), Span(f" {key.label}", Role.DIM, f"app.{key.action}"))
        for key in keys
        if key.label
    )
    return (Span(" "), *fitting(parts, cells - 2))


def help_lines(cells: int) -> tuple[Line, ...]:
    """Return the page of help."""
    keys = [(key.name, key.help) for key in KEYS]
    rows = [(Span(f" {key:>14}  ", Role.KEY), Span(text)) for key, text in (*keys, *_MORE)]
    legend = (
        (),
        line(" Bars of prompts", Role.TITLE),
        (Span(" █ reused from RAM (hot)", Role.HOT), Span("   ▓ reused from SSD (cold)", Role.COLD)),
        (Span(" ▒ computed", Role.NEW), Span("   · still to come", Role.DIM)),
        line(" Rates are of now, hit rates and sums since the daemon's start.", Role.DIM),
        line(" Sparklines show 5 minutes, that of the header one.", Role.DIM),
    )
    return tuple(fit(found, cells) for found in (*rows, *legend))
