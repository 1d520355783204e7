"""`omlx serve`: the daemon in the foreground, for containers and service managers."""

from __future__ import annotations

import os
import sys

import click

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("serve")
@click.option("--host", metavar="HOST", help="Address to listen on; anything but loopback needs an API key.")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", help="TCP port; 0 takes a free one.")
@common
def command(env: Env, host: str | None, port: int | None) -> None:
    """Run the daemon in the foreground: this process becomes it. Ctrl-C ends it.

    \b
    Examples:
      omlx serve
      omlx serve --port 9000
    """
    from omlx_cli.service.process import daemon_command

    env.check_settings()
    health = env.client.health()
    if health:
        raise OmlxError(Code.ALREADY_RUNNING, f"a daemon runs already, process {health.pid}", "omlx stop  ends it")
    words = [*daemon_command(env.paths), "--foreground"]
    words += ["--host", host] if host else []
    words += ["--port", str(port)] if port is not None else []
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(words[0], words)  # noqa: S606 - no shell is wanted
