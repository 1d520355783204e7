"""`omlx start`: the daemon, now."""

from __future__ import annotations

import click

from omlx_cli.description import print_daemon
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("start")
@common
def command(env: Env) -> None:
    """Start the daemon; every command that needs it does so by itself.

    \b
    Examples:
      omlx start
    """
    running = env.client.health() is not None
    env.lifecycle.ensure()
    print_daemon(env, "already running" if running else "started")
