"""`omlx load`: a model into memory."""

from __future__ import annotations

import click

from omlx_cli import memory_table
from omlx_cli.contract import routes
from omlx_cli.contract.api import LoadBody, LoadEstimate, ModelBody, SlotInfo, SlotReply
from omlx_cli.contract.errors import Exit
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.duration import DURATION, KEEP_ALIVE
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("load")
@click.argument("model")
@click.option("--ttl", type=DURATION, default="", metavar="TIME", help="Idle time it may stay: 10m, 1h30m, never.")
@click.option("--keep-alive", type=KEEP_ALIVE, default="", metavar="TIME", help="The same, as in 5m, 300, 0 or -1.")
@click.option("--estimate-only", is_flag=True, help="Say what it would take and whether it fits; load nothing.")
@common
def command(env: Env, model: str, ttl: str, keep_alive: str, estimate_only: bool) -> int:
    """Load a model now, so that the first request does not wait.

    Exit code 6 where memory does not suffice, now or at all; the message lists the terms.

    \b
    Examples:
      omlx load smollm2
      omlx load smollm2 --ttl never
      omlx load smollm2 --estimate-only
    """
    if estimate_only:
        return _estimate(env, model_argument(model))
    if ttl and keep_alive:
        raise click.UsageError("--ttl and --keep-alive are one thing; give one of them")
    body = LoadBody(model=model_argument(model), ttl=ttl or keep_alive)
    reply = env.daemon().post(routes.LOAD, body, SlotReply, timeout_s=None)
    if env.output.as_json:
        env.output.document(reply)
    else:
        env.output.line(_sentence(reply.model))
    return int(Exit.OK)


def _estimate(env: Env, model: str) -> int:
    found = env.daemon().post(routes.ESTIMATE, ModelBody(model=model), LoadEstimate)
    if env.output.as_json:
        env.output.document(found)
    else:
        env.output.line(memory_table.estimate(found))
        if found.advice:
            env.output.note(found.advice)
    return int(Exit.OK if found.fits else Exit.REFUSED)


def _sentence(row: SlotInfo) -> str:
    size = f" ({format_bytes(row.size_bytes)})" if row.size_bytes else ""
    stay = "for ever" if row.pinned or row.ttl_s is None else f"until {format_duration(row.ttl_s)} idle"
    return f"loaded {row.name}{size}, {stay}"
