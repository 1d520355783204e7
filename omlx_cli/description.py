"""The daemon in one line, as `start` and `restart` print it."""

from __future__ import annotations

from omlx_cli.contract import routes
from omlx_cli.contract.api import DaemonInfo, Status
from omlx_cli.env import Env


def print_daemon(env: Env, verb: str) -> None:
    """Print where the running daemon listens, or its description with `--json`. Raises OmlxError."""
    daemon = env.client.get(routes.STATUS, Status).daemon
    if env.output.as_json:
        env.output.document(daemon)
        return
    place = f"http://{daemon.address}" if daemon.address else daemon.socket
    env.output.line(f"{verb}: omlx {daemon.version} at {place}, process {daemon.pid}")
    warn_of(env, daemon)


def warn_of(env: Env, daemon: DaemonInfo) -> None:
    """Warn of what does not keep the daemon from running."""
    for line in (daemon.tcp_error, *daemon.troubles):
        if line:
            env.output.warn(line)
