"""`omlx pin`: a model that stays."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.pinning import set_pin


@click.command("pin")
@click.argument("model")
@common
def command(env: Env, model: str) -> None:
    """Keep a model in memory: never unloaded to make room, remembered across restarts.

    \b
    Examples:
      omlx pin smollm2
      omlx load smollm2 && omlx pin smollm2
    """
    set_pin(env, routes.PIN, model, "pinned")
