"""`omlx unpin`: the end of a pin."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.pinning import set_pin


@click.command("unpin")
@click.argument("model")
@common
def command(env: Env, model: str) -> None:
    """Let go of a pinned model; it stays until it is idle for its time.

    \b
    Examples:
      omlx unpin smollm2
    """
    set_pin(env, routes.UNPIN, model, "unpinned")
