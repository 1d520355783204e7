"""The daemon in one line, as `start` and `restart` print it."""

from __future__ import annotations

from omlx_cli.contract import routes
from omlx_cli.contract.api import Status
from omlx_cli.env import Env


def print_daemon(env: Env, verb: str) -> None:
    """Print where the running daemon listens, or its description with `--json`. Raises OmlxError."""
    daemon = env.client.get(routes.STATUS, Status).daemon
    if env.output.as_json:
        env.output.document(daemon)
        return
    place = f"http://{daemon.address}" if daemon.address else daemon.socket
    env.output.line(f"{verb}: omlx {daemon.version} at {place}, process {daemon.pid}")
    if daemon.tcp_error:
        env.output.warn(daemon.tcp_error)
