"""`omlx status`: the daemon itself."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from omlx_cli import memory_table
from omlx_cli.contract import routes
from omlx_cli.contract.api import Status
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.trouble import trouble_of
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.description import warn_of
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.table import pairs

BARS = ("plain", "tmux", "xbar")
_BAR_TIMEOUT_S = 2.0
"""A bar that is drawn again in a moment waits no longer."""


@click.command("status")
@click.option(
    "--bar", is_flag=False, flag_value="plain", type=click.Choice(BARS), help="Print one short line for a status bar."
)
@common
def command(env: Env, bar: str | None) -> None:
    """Show the daemon, its address and its memory. Exit code 4 where it does not run; never starts it.

    With --bar, exit code 0 and `omlx off` instead: for shell prompts (plain), tmux, and xbar or SwiftBar (xbar).

    \b
    Examples:
      omlx status
      omlx status --json
      omlx status --bar=tmux
    """
    if bar:
        from omlx_cli import bar as bars

        env.output.line(bars.line(_found(env), bar))
        return
    status = env.client.get(routes.STATUS, Status)
    if env.output.as_json:
        env.output.document(status)
        return
    env.output.line(pairs(_rows(status)))
    if status.memory.terms:
        env.output.line(memory_table.terms(status.memory.terms))
    told = {f"{row.name} {row.waits}" for row in status.models}
    for line in status.memory.waiting:
        if line not in told:
            env.output.warn(line)
    warn_of(env, status.daemon)
    for row in status.models:
        if trouble := trouble_of(row, datetime.now(UTC)):
            env.output.warn(f"{row.name}: {trouble}")


def _found(env: Env) -> Status | None:
    """Return the status; None where nobody answers."""
    try:
        return env.client.get(routes.STATUS, Status, timeout_s=_BAR_TIMEOUT_S)
    except OmlxError as error:
        if error.body.code is Code.DAEMON_UNREACHABLE:
            return None
        raise


def _rows(status: Status) -> list[tuple[str, str]]:
    daemon = status.daemon
    return [
        ("state", str(daemon.state)),
        ("version", daemon.version),
        ("address", f"http://{daemon.address}" if daemon.address else ""),
        ("socket", daemon.socket),
        ("home", daemon.home),
        ("pid", str(daemon.pid)),
        ("manager", daemon.manager),
        ("uptime", format_duration(daemon.uptime_s)),
        ("models", ", ".join(f"{row.name} ({row.state})" for row in status.models) or "none loaded"),
        ("requests", f"{status.running} running, {status.queued} queued, {status.requests_total} in all"),
        ("memory", _memory(status)),
    ]


def _memory(status: Status) -> str:
    used = f"{format_bytes(status.memory_used_bytes)} of {format_bytes(status.memory_limit_bytes)}"
    why = f": {', '.join(status.memory.reasons)}" if status.memory.reasons else ""
    return f"{used}, {status.memory.level}{why}"
