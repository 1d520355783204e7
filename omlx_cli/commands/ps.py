"""`omlx ps`: the models in memory."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import PsReply
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("ps")
@common
def command(env: Env) -> None:
    """List the models in memory: their state, requests, pace and when they go.

    \b
    Examples:
      omlx ps
      omlx ps --json
    """
    daemon = env.daemon()
    if env.output.as_json:
        env.output.document(daemon.get(routes.PS, PsReply))
    else:
        env.output.text(daemon.text(routes.PS))
