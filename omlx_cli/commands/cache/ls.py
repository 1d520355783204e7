"""`omlx cache ls`: what is stored, by model and fingerprint."""

from __future__ import annotations

import click

from omlx_cli.books import figures, open_books
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("ls")
@click.option("--model", default="", metavar="MODEL", help="Only this model's.")
@click.option("--incompatible", is_flag=True, help="Only what no model here can use any more.")
@common
def command(env: Env, model: str, incompatible: bool) -> None:
    """List what the SSD tier holds, a line for each model and fingerprint.

    \b
    Examples:
      omlx cache ls
      omlx cache ls --incompatible
    """
    listed = open_books(env).rows(model, incompatible)
    if env.output.as_json:
        env.output.document(listed)
        return
    env.output.line(figures.namespaces(listed.namespaces))
