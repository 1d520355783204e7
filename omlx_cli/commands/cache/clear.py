"""`omlx cache clear`: everything out of the cache."""

from __future__ import annotations

import click

from omlx_cli.books import open_books, removing
from omlx_cli.contract.cache import CacheList
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("clear")
@click.option("--model", default="", metavar="MODEL", help="Only this model's.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def command(env: Env, model: str, yes: bool) -> None:
    """Remove all that is cached, from RAM and SSD, but pinned prefixes. Asks first; needs --yes off a terminal.

    \b
    Examples:
      omlx cache clear
      omlx cache clear --model smollm2 --yes
    """
    books = open_books(env)
    if not yes:
        removing.confirm("clear", _content(books.rows(model, False)))
    removing.show(env.output, books.clear(model))


def _content(listed: CacheList) -> str:
    """Return what is stored, in words: bytes without the pinned ones."""
    count = sum(row.blocks + row.quarantined_files for row in listed.namespaces)
    size_bytes = sum(row.size_bytes - row.pinned_bytes for row in listed.namespaces)
    is_some_pinned = any(row.pinned_bytes for row in listed.namespaces)
    return f"{removing.files(count)}, {format_bytes(size_bytes)}{' (what is pinned stays)' if is_some_pinned else ''}"
