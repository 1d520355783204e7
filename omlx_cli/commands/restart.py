"""`omlx restart`: the daemon, anew."""

from __future__ import annotations

import click

from omlx_cli.commands.stop import stop_daemon
from omlx_cli.description import print_daemon
from omlx_cli.duration import DURATION
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("restart")
@click.option("--timeout", type=DURATION, default="", metavar="TIME", help="How long to wait for it to end.")
@click.option("--force", is_flag=True, help="Cut running requests off.")
@common
def command(env: Env, timeout: str, force: bool) -> None:
    """Stop the daemon, let running requests finish, and start it again with the current settings.

    \b
    Examples:
      omlx restart
      omlx restart --force
    """
    env.check_settings()
    stop_daemon(env, timeout, force)
    env.lifecycle.ensure()
    print_daemon(env, "started")
