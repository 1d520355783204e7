"""`omlx cache path`: where the cache lies."""

from __future__ import annotations

from pathlib import Path

import click

from omlx_cli.contract import routes
from omlx_cli.contract.cache import CachePath, CacheStats
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("path")
@common
def command(env: Env) -> None:
    """Print the cache directory: the running daemon's, else that of the settings.

    \b
    Examples:
      omlx cache path
      du -sh "$(omlx cache path)"
    """
    found = _path(env)
    if env.output.as_json:
        env.output.document(CachePath(path=str(found), exists=found.is_dir()))
    else:
        env.output.line(str(found))


def _path(env: Env) -> Path:
    if env.client.health() is not None:
        return Path(env.client.get(routes.CACHE_STATS, CacheStats).path)
    from omlx_cli.books.place import directory

    return directory(env.settings.cache, env.paths)
