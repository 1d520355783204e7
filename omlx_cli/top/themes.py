"""Colours. The two of our own keep apart what colour-blind eyes must keep apart: after Okabe and Ito's palette."""

from __future__ import annotations

from collections.abc import Mapping

from rich.style import Style
from textual.app import App
from textual.color import Color
from textual.theme import Theme

from omlx_cli.top.spans import Role

NIGHT = Theme(
    name="omlx-night",
    primary="#56b4e9",
    secondary="#0072b2",
    accent="#56b4e9",
    success="#2fbf94",
    warning="#f0e442",
    error="#ff7a3d",
    foreground="#d8dee6",
    background="#0e1116",
    surface="#141920",
    panel="#1d2530",
    dark=True,
    variables={"omlx-hot": "#e69f00", "omlx-cold": "#56b4e9", "omlx-new": "#d694bd"},
)
DAY = Theme(
    name="omlx-day",
    primary="#0072b2",
    secondary="#56b4e9",
    accent="#0072b2",
    success="#00735a",
    warning="#8a5f00",
    error="#b84300",
    foreground="#1c2229",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e4e1d9",
    dark=False,
    variables={"omlx-hot": "#a86a00", "omlx-cold": "#0072b2", "omlx-new": "#a3477f"},
)
OURS = (NIGHT, DAY)

_DIM_SHARE = 0.45
"""How far dim text goes towards its background."""


def styles(app: App[int]) -> Mapping[Role, Style]:
    """Return what each role looks like in the app's theme."""
    theme = app.current_theme
    given = {**app.theme_variables}
    foreground = Color.parse(given["foreground"])
    colours = {
        Role.PLAIN: foreground,
        Role.STRONG: foreground,
        Role.DIM: foreground.blend(Color.parse(given["background"]), _DIM_SHARE),
        Role.TITLE: Color.parse(given["primary"]),
        Role.KEY: Color.parse(given["primary"]),
        Role.GOOD: Color.parse(given["success"]),
        Role.WARN: Color.parse(given["warning"]),
        Role.BAD: Color.parse(given["error"]),
        Role.HOT: Color.parse(theme.variables.get("omlx-hot", given["warning"])),
        Role.COLD: Color.parse(theme.variables.get("omlx-cold", given["primary"])),
        Role.NEW: Color.parse(theme.variables.get("omlx-new", given["secondary"])),
    }
    bold = (Role.STRONG, Role.BAD, Role.TITLE)
    return {
        role: Style(color=colour.rich_color, bold=True if role in bold else None) for role, colour in colours.items()
    }
