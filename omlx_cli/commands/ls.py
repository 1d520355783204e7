"""`omlx ls`: the models on disk."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import ModelInfo, ModelsReply
from omlx_cli.contract.units import format_bytes
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.table import age, columns

_HEADERS = ("NAME", "SIZE", "QUANT", "CONTEXT", "SOURCE", "MODIFIED")
_ALIASES = "ALIASES"


@click.command("ls")
@common
def command(env: Env) -> None:
    """List the models on disk, the hub's cache and LM Studio's folder included.

    \b
    Examples:
      omlx ls
      omlx ls --json
    """
    reply = env.daemon().get(routes.MODELS, ModelsReply)
    if env.output.as_json:
        env.output.document(reply)
        return
    named = any(model.aliases for model in reply.models)
    headers, rows = (*_HEADERS, _ALIASES) if named else _HEADERS, [_row(model, named) for model in reply.models]
    env.output.line(columns(headers, rows, right=("SIZE", "CONTEXT")))
    for model in reply.models:
        if model.problem:
            env.output.note(f"{model.name} cannot be loaded: {model.problem}")
    if not reply.models:
        env.output.note("there is no model yet; omlx pull smollm2  fetches a small one")


def _row(model: ModelInfo, named: bool) -> tuple[str, ...]:
    cells = (
        model.name,
        format_bytes(model.size_bytes),
        model.quantization or "-",
        str(model.context_tokens) if model.context_tokens else "-",
        model.source,
        age(model.modified_at) or "-",
    )
    return (*cells, ", ".join(model.aliases) or "-") if named else cells
