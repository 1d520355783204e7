"""TCP listeners that a service manager opened before the daemon ran, so that a connection could start it.

systemd hands them over by number, from 3 on, and says so in three variables. launchd hands them over by name,
through `launch_activate_socket` of the system library.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Iterable, MutableMapping

from omlx_cli.contract.services import LABEL, SOCKET

_FIRST_FD = 3
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nRetry-After: 10\r\n"
    b"Content-Length: %d\r\n\r\n%s"
)
_REASON = (
    b'{"error":{"message":"the omlx daemon cannot start; omlx start  tells why","type":"server_error","code":null}}'
)

_log = logging.getLogger(__name__)


def take(environ: MutableMapping[str, str]) -> tuple[socket.socket, ...]:
    """Return the listeners that were handed to this process, and forget the variables that told of them."""
    numbers = _from_systemd(environ)
    if environ.get("XPC_SERVICE_NAME") == LABEL:
        numbers += _from_launchd()
    return tuple(found for number in numbers if (found := _listener(number)) is not None)


def turn_away(listeners: Iterable[socket.socket]) -> None:
    """Refuse whoever waits to be answered: a connection left waiting would start the daemon again and again."""
    for listener in listeners:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(1.0)
                    connection.recv(65536)
                    connection.sendall(_BUSY % (len(_REASON), _REASON))


def _from_systemd(environ: MutableMapping[str, str]) -> list[int]:
    given = {name: environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if given["LISTEN_PID"] != str(os.getpid()) or not given["LISTEN_FDS"].isdecimal():
        return []
    return list(range(_FIRST_FD, _FIRST_FD + int(given["LISTEN_FDS"])))


def _from_launchd() -> list[int]:
    from omlx_daemon import launchd

    try:
        return launchd.activate(SOCKET)
    except OSError as error:
        _log.warning("launchd handed over no socket: %s", error.strerror)
        return []


def _listener(number: int) -> socket.socket | None:
    """Return the TCP listener behind a file descriptor, ours alone from now on; None where it is no such thing."""
    try:
        os.set_inheritable(number, False)
        listener = socket.socket(fileno=number)
    except OSError:
        return None
    inet = listener.family in (socket.AF_INET, socket.AF_INET6)
    if not inet or not listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        listener.close()
        return None
    listener.setblocking(False)
    return listener
