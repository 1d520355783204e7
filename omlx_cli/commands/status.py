"""`omlx status`: the daemon itself."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from omlx_cli import memory_table
from omlx_cli.contract import routes
from omlx_cli.contract.api import Status
from omlx_cli.contract.trouble import trouble_of
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.table import pairs


@click.command("status")
@common
def command(env: Env) -> None:
    """Show the daemon, its address and its memory. Exit code 4 where it does not run; never starts it.

    \b
    Examples:
      omlx status
      omlx status --json
    """
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
    if status.daemon.tcp_error:
        env.output.warn(status.daemon.tcp_error)
    for row in status.models:
        if trouble := trouble_of(row, datetime.now(UTC)):
            env.output.warn(f"{row.name}: {trouble}")


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
