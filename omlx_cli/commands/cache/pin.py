"""`omlx cache pin`: a system prompt that stays computed."""

from __future__ import annotations

import click

from omlx_cli.books import reading
from omlx_cli.contract import routes
from omlx_cli.contract.cache import CachePinBody, CachePinReply
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.naming import model_argument
from omlx_cli.options import common


@click.command("pin")
@click.argument("name")
@click.option("--system", "file", required=True, metavar="FILE", help="The system prompt; - reads stdin.")
@click.option("--model", default="", metavar="MODEL", help="Default: model.default.")
@common
def command(env: Env, name: str, file: str, model: str) -> None:
    """Compute a system prompt, store it, and never evict it. A NAME that is taken moves to the new prompt.

    \b
    Examples:
      omlx cache pin agent --system prompt.txt
      omlx cache pin agent --system prompt.txt --model smollm2
    """
    system = reading.text(file)
    body = CachePinBody(label=name, model=model_argument(model or env.settings.model.default), system=system)
    reply = env.daemon().post(routes.CACHE_PIN, body, CachePinReply, timeout_s=None)
    if env.output.as_json:
        env.output.document(reply)
    else:
        pin = reply.pin
        env.output.line(f"pinned {pin.label} for {pin.model}: {pin.blocks} blocks, {format_bytes(pin.stored_bytes)}")
