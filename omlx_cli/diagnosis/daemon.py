"""The daemon: whether it runs, as which version, and who has its port."""

from __future__ import annotations

import socket

import psutil

from omlx_cli import __version__, locks
from omlx_cli.client import Client
from omlx_cli.contract import routes
from omlx_cli.contract.api import Status
from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import ServerSettings
from omlx_cli.diagnosis.check import Check, broken, ok, warn

_START = "omlx start"


def check_daemon(paths: Paths, client: Client) -> Check:
    """Check that the daemon answers, or that nothing keeps it from being started."""
    name = "daemon"
    try:
        health = client.health()
    except OmlxError as error:
        return broken(name, error.body.message, "omlx stop --force")
    if health is None and locks.is_held(paths.daemon_lock):
        return broken(name, "a daemon holds the lock and does not answer", "omlx stop --force")
    if health is None:
        return ok(name, "not running; the first command that needs it starts it")
    found = f"{health.state}, process {health.pid}"
    if health.version != __version__:
        return warn(name, f"{found}, of version {health.version}", "omlx restart")
    return ok(name, found)


def check_port(client: Client, server: ServerSettings, held: str = "") -> Check:
    """Check that API clients reach the daemon, or would once it runs.

    `held` is the address that a service manager holds for it: to connect there would start the daemon.
    """
    name, place = "port", f"{server.host}:{server.port}"
    try:
        daemon = client.get(routes.STATUS, Status).daemon
    except OmlxError:
        if held:
            return ok(name, f"{held}, held for the daemon until somebody connects")
        owner = _owner(server)
        if owner is None:
            return ok(name, f"{place} is free" if server.port else "a free one is taken at the start")
        return broken(name, f"{place} is used by {owner}", "omlx config set server.port 0  takes a free port")
    if daemon.tcp_error:
        return broken(name, daemon.tcp_error, "end that program, then omlx restart; or omlx config set server.port 0")
    return ok(name, f"http://{daemon.address}")


def _owner(server: ServerSettings) -> str | None:
    """Return who listens on the port, as well as it can be told; None where nobody does."""
    if not server.port:
        return None
    try:
        socket.create_connection((server.host, server.port), timeout=1).close()
    except OSError:
        return None
    return _process_on(server.port) or "another program"


def _process_on(port: int) -> str | None:
    try:
        listening = [row for row in psutil.net_connections("tcp") if row.status == psutil.CONN_LISTEN and row.laddr]
        pids = [row.pid for row in listening if getattr(row.laddr, "port", 0) == port and row.pid]
        return next((f"{psutil.Process(pid).name()} (process {pid})" for pid in pids), None)
    except psutil.Error:
        return None
