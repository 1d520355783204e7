"""`omlx logs`: what the daemon wrote down."""

from __future__ import annotations

import click
import msgspec

from omlx_cli.env import Env
from omlx_cli.logfile import follow, last_lines
from omlx_cli.options import common


class _Line(msgspec.Struct, frozen=True):
    line: str


@click.command("logs")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with new lines until Ctrl-C.")
@click.option("-n", "--lines", "count", type=click.IntRange(0), default=50, show_default=True, help="How many lines.")
@common
def command(env: Env, following: bool, count: int) -> None:
    """Print the end of the daemon's log, whether the daemon runs or not.

    \b
    Examples:
      omlx logs
      omlx logs -n 500 | grep error
      omlx logs -f
    """
    path = env.paths.daemon_log
    try:
        for line in follow(path, count) if following else last_lines(path, count):
            _print(env, line)
    except KeyboardInterrupt:
        if not following:
            raise


def _print(env: Env, line: str) -> None:
    if env.output.as_json:
        env.output.record(_Line(line))
    else:
        env.output.text(f"{line}\n")
