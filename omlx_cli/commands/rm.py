"""`omlx rm`: models off the disk."""

from __future__ import annotations

import sys

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, ModelBody, ModelDetail
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("rm")
@click.argument("models", nargs=-1, required=True, metavar="MODEL...")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@common
def command(env: Env, models: tuple[str, ...], yes: bool) -> None:
    """Delete models from the disk. Asks first on a terminal; needs --yes elsewhere.

    \b
    Examples:
      omlx rm smollm2
      omlx rm --yes smollm2 mlx-community/Qwen3-0.6B-4bit
    """
    daemon = env.daemon()
    bodies = [ModelBody(model=model_argument(model)) for model in models]
    found = [daemon.post(routes.SHOW, body, ModelDetail) for body in bodies]
    if not yes:
        _ask(found)
    messages = []
    for body, detail in zip(bodies, found, strict=True):
        reply = daemon.post(routes.REMOVE, body, Done)
        messages.append(reply.message or f"removed {detail.model.name}")
    if env.output.as_json:
        env.output.document(Done(message="; ".join(messages)))
    else:
        env.output.line("\n".join(messages))


def _ask(found: list[ModelDetail]) -> None:
    """Return if the user agrees. Raises OmlxError(CONFIRMATION_REQUIRED)."""
    names = ", ".join(f"{detail.model.name} ({format_bytes(detail.model.size_bytes)})" for detail in found)
    can_ask = sys.stdin.isatty() and sys.stderr.isatty()
    if not can_ask or not click.confirm(f"Delete {names}?", err=True):
        raise OmlxError(Code.CONFIRMATION_REQUIRED, f"nothing was deleted: {names}", "omlx rm --yes  does not ask")
