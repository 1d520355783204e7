"""`omlx cache pins`: the pinned prompts."""

from __future__ import annotations

import click

from omlx_cli.books import open_books
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.table import age, columns

_HEADERS = ("NAME", "MODEL", "BLOCKS", "STORED", "PINNED")


@click.command("pins")
@common
def command(env: Env) -> None:
    """List the pinned prompts and what of them is stored.

    \b
    Examples:
      omlx cache pins
    """
    reply = open_books(env).pins()
    if env.output.as_json:
        env.output.document(reply)
        return
    rows = [
        (pin.label, pin.model or "-", str(pin.blocks), format_bytes(pin.stored_bytes), age(pin.created_at) or "-")
        for pin in reply.pins
    ]
    env.output.line(columns(_HEADERS, rows, right=("BLOCKS", "STORED")))
