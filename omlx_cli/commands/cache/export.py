"""`omlx cache export`: the blocks of a model or a pin in one file."""

from __future__ import annotations

import click

from omlx_cli.books import reading, removing
from omlx_cli.contract import routes
from omlx_cli.contract.cache import CacheArchiveBody, PruneReport
from omlx_cli.contract.errors import OmlxError
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("export")
@click.argument("model", metavar="NAME")
@click.argument("file")
@common
def command(env: Env, model: str, file: str) -> None:
    """Write all blocks of NAME to a new archive FILE, for another machine with the same model.

    NAME is a model, or a pinned prompt as omlx cache pins lists it.

    \b
    Examples:
      omlx cache export smollm2 smollm2.kv
      omlx cache export agent agent.kv
    """
    body = CacheArchiveBody(model=model_argument(model), path=reading.archive(file))
    report = env.daemon().post(routes.CACHE_EXPORT, body, PruneReport, timeout_s=None)
    if env.output.as_json:
        env.output.document(report)
    else:
        env.output.line(f"exported {removing.amount(report)} to {file}")
    if report.error is not None:
        raise OmlxError.of(report.error)
