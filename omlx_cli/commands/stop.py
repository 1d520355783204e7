"""`omlx stop`: no daemon any more."""

from __future__ import annotations

import click

from omlx_cli.contract.api import Done
from omlx_cli.duration import DURATION
from omlx_cli.env import Env
from omlx_cli.options import common

_MARGIN_S = 10.0
"""What the daemon may take beyond its own deadline to close what it holds."""


@click.command("stop")
@click.option("--timeout", type=DURATION, default="", metavar="TIME", help="How long to wait for it to end.")
@click.option("--force", is_flag=True, help="Cut running requests off.")
@common
def command(env: Env, timeout: str, force: bool) -> None:
    """Stop the daemon; running requests may finish first. Stopping a daemon that is not there is no error.

    \b
    Examples:
      omlx stop
      omlx stop --timeout 1m
      omlx stop --force
    """
    message = "stopped" if stop_daemon(env, timeout, force) else "the daemon was not running"
    if env.output.as_json:
        env.output.document(Done(message=message))
    else:
        env.output.line(message)


def stop_daemon(env: Env, timeout: str, force: bool) -> bool:
    """Stop the daemon and wait for its end; return whether there was one. Raises OmlxError."""
    from omlx_cli.contract.errors import OmlxError
    from omlx_cli.contract.settings import DaemonSettings
    from omlx_cli.contract.units import parse_duration_s

    if timeout:
        return env.lifecycle.stop(parse_duration_s(timeout), force)
    try:
        configured = env.settings.daemon
    except OmlxError:
        configured = DaemonSettings()
    return env.lifecycle.stop(parse_duration_s(configured.stop_timeout) + _MARGIN_S, force)
