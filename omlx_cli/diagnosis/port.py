"""The port that API clients use: whose it is."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator

from omlx_cli.contract.settings import ServerSettings
from omlx_cli.diagnosis import listener
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.listener import Listener
from omlx_cli.diagnosis.subject import SERVICE_S, Subject

WAITS_S = SERVICE_S
_NAME = "port"
_TRIED_PORTS = 100


def checks(subject: Subject) -> Iterator[Check]:
    """Yield whether API clients reach the daemon, or would once it runs."""
    server = subject.settings.server
    if subject.status is not None:
        daemon = subject.status.daemon
        yield of_daemon(server, daemon.address, daemon.tcp_error)
    elif subject.silence is not None:
        yield ok(_NAME, "not looked at: the daemon that holds it does not answer")
    else:
        yield without_daemon(server, subject.service.listens)


def of_daemon(server: ServerSettings, address: str, tcp_error: str) -> Check:
    """Return what to say of the port of a daemon that runs."""
    if tcp_error:
        return broken(_NAME, tcp_error, _way_out(server, listener.find(server.port)))
    if server.port and not address.endswith(f":{server.port}"):
        found = f"the daemon listens on {address}, and the settings say port {server.port}"
        return warn(_NAME, found, "omlx restart")
    return ok(_NAME, f"http://{address}")


def without_daemon(server: ServerSettings, held: str = "") -> Check:
    """Return what to say of the port while no daemon runs.

    `held` is the address that a service manager holds for it: to connect there would start the daemon.
    """
    place = f"{server.host}:{server.port}"
    if held:
        return ok(_NAME, f"{held} is held for the daemon until somebody connects")
    if not server.port:
        return ok(_NAME, "the daemon takes a free one when it starts")
    try:
        if listener.is_free(server.host, server.port):
            return ok(_NAME, f"{place} is free")
    except OSError as error:
        found = f"{place} cannot be listened on: {error.strerror or error}"
        return broken(_NAME, found, "omlx config set server.host 127.0.0.1")
    owner = listener.find(server.port)
    return broken(_NAME, f"{place} is used by {owner or 'another program'}", _way_out(server, owner))


def _way_out(server: ServerSettings, owner: Listener | None) -> str:
    """Return the command that ends the other daemon, or takes another port."""
    if owner is not None and owner.home:
        return f"OMLX_HOME={shlex.quote(owner.home)} omlx stop"
    ports = range(server.port + 1, min(server.port + _TRIED_PORTS, 65536))
    free = next((port for port in ports if _may_be_taken(server.host, port)), 0)
    return f"omlx config set server.port {free} && omlx restart"


def _may_be_taken(host: str, port: int) -> bool:
    try:
        return listener.is_free(host, port)
    except (OSError, socket.gaierror):
        return False
