"""From an `Env` to a running dashboard."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TYPE_CHECKING

from omlx_cli.contract import sockets

if TYPE_CHECKING:
    from omlx_cli.env import Env


def run(env: Env) -> int:
    """Show the dashboard until it is left; return the exit code."""
    gc.disable()  # nearly all that is made until the first frame stays: looking for garbage in it costs a tenth
    from omlx_cli.top.control import DaemonControl
    from omlx_cli.top.dashboard import TopApp
    from omlx_cli.top.feed import Feed
    from omlx_cli.top.taste import Taste

    if sys.stdout.isatty():
        _ask_the_terminal_for_its_size()
    control = DaemonControl(lambda: env.client, lambda: env.lifecycle)
    taste = Taste(env.paths.dashboard)
    app = TopApp(
        Feed(sockets.socket_path(env.home)),
        control,
        on_shown=_collect_from_now_on,
        theme=taste.theme(),
        keep_theme=taste.keep_theme,
    )
    return asyncio.run(app.run_async()) or 0


def _ask_the_terminal_for_its_size() -> None:
    """Drop what a program before this one exported: it would count for more than the terminal's word, for ever."""
    for name in ("COLUMNS", "LINES"):
        os.environ.pop(name, None)


def _collect_from_now_on() -> None:
    gc.freeze()
    gc.enable()
