"""`omlx unload`: a model out of memory."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, UnloadBody
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("unload")
@click.argument("model")
@click.option("--force", is_flag=True, help="End its requests, and unload it even if pinned.")
@common
def command(env: Env, model: str, force: bool) -> None:
    """Unload a model; all of its memory goes back to the system.

    \b
    Examples:
      omlx unload smollm2
      omlx unload smollm2 --force
    """
    body = UnloadBody(model=model_argument(model), force=force)
    reply = env.daemon().post(routes.UNLOAD, body, Done, timeout_s=None)
    if env.output.as_json:
        env.output.document(reply)
    else:
        env.output.line(reply.message or f"unloaded {model}")
