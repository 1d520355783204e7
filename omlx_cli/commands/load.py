"""`omlx load`: a model into memory."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import LoadBody, SlotInfo, SlotReply
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.duration import DURATION
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("load")
@click.argument("model")
@click.option("--ttl", type=DURATION, default="", metavar="TIME", help="Idle time it may stay: 10m, 1h30m, never.")
@common
def command(env: Env, model: str, ttl: str) -> None:
    """Load a model now, so that the first request does not wait.

    \b
    Examples:
      omlx load smollm2
      omlx load smollm2 --ttl never
    """
    body = LoadBody(model=model_argument(model), ttl=ttl)
    reply = env.daemon().post(routes.LOAD, body, SlotReply, timeout_s=None)
    if env.output.as_json:
        env.output.document(reply)
    else:
        env.output.line(_sentence(reply.model))


def _sentence(row: SlotInfo) -> str:
    size = f" ({format_bytes(row.size_bytes)})" if row.size_bytes else ""
    stay = "for ever" if row.pinned or row.ttl_s is None else f"until {format_duration(row.ttl_s)} idle"
    return f"loaded {row.name}{size}, {stay}"
