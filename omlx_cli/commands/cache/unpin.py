"""`omlx cache unpin`: a pinned prompt let go."""

from __future__ import annotations

import click

from omlx_cli.books import open_books
from omlx_cli.contract.api import Done
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("unpin")
@click.argument("name")
@common
def command(env: Env, name: str) -> None:
    """Let a pinned prompt go: its blocks stay until their room is needed.

    \b
    Examples:
      omlx cache unpin agent
    """
    message = open_books(env).unpin(name)
    if env.output.as_json:
        env.output.document(Done(message=message))
    else:
        env.output.line(message)
