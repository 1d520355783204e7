"""`omlx requests`: what is being worked on."""

from __future__ import annotations

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import RequestInfo, RequestPhase, RequestsReply
from omlx_cli.contract.units import format_duration
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.table import columns

_HEADERS = ("ID", "MODEL", "CLIENT", "PHASE", "PRIORITY", "AGE", "TOKENS")


@click.command("requests")
@common
def command(env: Env) -> None:
    """List the requests that run or wait: whose they are, how far they are, how old.

    \b
    Examples:
      omlx requests
      omlx requests --json | jq -r '.requests[] | select(.phase == "queued") | .id'
    """
    reply = env.client.get(routes.REQUESTS, RequestsReply)
    if env.output.as_json:
        env.output.document(reply)
        return
    env.output.line(columns(_HEADERS, [_row(request) for request in reply.requests], right=("TOKENS",)))


def _row(request: RequestInfo) -> tuple[str, ...]:
    return (
        request.id,
        request.model,
        request.client or "-",
        request.phase.value,
        request.priority,
        format_duration(request.age_s),
        _tokens(request),
    )


def _tokens(request: RequestInfo) -> str:
    if request.phase is RequestPhase.DECODE:
        return str(request.tokens)
    return f"{request.prefilled_tokens}/{request.prompt_tokens}" if request.prompt_tokens else "-"
