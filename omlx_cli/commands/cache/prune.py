"""`omlx cache prune`: blocks out of the cache, by age, size, model or use."""

from __future__ import annotations

import click
import msgspec

from omlx_cli.books import open_books, removing
from omlx_cli.contract.cache import PruneBody
from omlx_cli.duration import DURATION
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.size import SIZE


@click.command("prune")
@click.option("--older-than", type=DURATION, default="", metavar="TIME", help="Not used for so long: 7d, 12h.")
@click.option("--larger-than", type=SIZE, default="", metavar="SIZE", help="Files over this: 10MiB.")
@click.option("--model", default="", metavar="MODEL", help="Only this model's.")
@click.option("--incompatible", is_flag=True, help="What no model here can use any more.")
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def command(
    env: Env, older_than: str, larger_than: str, model: str, incompatible: bool, dry_run: bool, yes: bool
) -> None:
    """Remove the blocks that meet all that is given. Asks first on a terminal; needs --yes elsewhere.

    Pinned prefixes stay. A block that a younger one continues stays too.

    \b
    Examples:
      omlx cache prune --older-than 7d
      omlx cache prune --incompatible --yes
      omlx cache prune --model smollm2 --larger-than 10MiB --dry-run
    """
    body = PruneBody(
        older_than=older_than, larger_than=larger_than, model=model, incompatible=incompatible, dry_run=True
    )
    _check(body)
    books = open_books(env)
    if dry_run or not yes:
        planned = books.prune(body)
        if dry_run or not planned.files:
            removing.show(env.output, msgspec.structs.replace(planned, dry_run=dry_run))
            return
        if len(planned.models) > 1:
            env.output.note(removing.by_model(planned))
        removing.confirm("prune", removing.amount(planned))
    removing.show(env.output, books.prune(msgspec.structs.replace(body, dry_run=False)))


def _check(body: PruneBody) -> None:
    """Raise click.UsageError where nothing, or nothing sensible, says what to prune."""
    if body.older_than == "never":
        raise click.UsageError("no block is older than never; write for example --older-than 7d")
    if not (body.older_than or body.larger_than or body.model or body.incompatible):
        raise click.UsageError("say what to prune, for example --older-than 7d; omlx cache clear  removes everything")
