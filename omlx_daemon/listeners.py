"""The daemon's two listening sockets, bound by ourselves: uvicorn would open the unix socket to everyone."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import storage
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE, FILE_MODE
from omlx_cli.contract.settings import ServerSettings

BACKLOG = 2048


@dataclass(frozen=True, slots=True)
class Listeners:
    """Sockets that listen; `address` is empty and `tcp_error` says why where TCP could not be bound."""

    sockets: tuple[socket.socket, ...]
    address: str = ""
    tcp_error: str = ""
    needs_key: bool = False
    """Whether others than this machine may connect, so that a key must be set."""

    def close(self) -> None:
        """Close the sockets."""
        for listener in self.sockets:
            listener.close()


def listen(
    socket_path: Path,
    server: ServerSettings,
    given: tuple[socket.socket, ...] = (),
    has_keys: Callable[[], bool] = lambda: False,
) -> Listeners:
    """Listen on the unix socket and, where it can be had, on TCP; call it while holding the daemon's lock.

    TCP listeners that the service manager opened are taken in the place of our own. `has_keys` tells whether there
    are keys beside those of the settings.

    Raises OmlxError: INVALID_CONFIG for an open address without a key, HOME_UNUSABLE where the unix socket fails.
    """
    addresses = [_bound(listener) for listener in given] or _resolve(server.host, server.port)
    needs_key = not all(_is_loopback(address) for _, address in addresses)
    check_key(server, needs_key, has_keys)
    local = listen_unix(socket_path)
    if given:
        return Listeners((local, *given), address=_address(given[0]), needs_key=needs_key)
    try:
        remote = _listen_tcp(addresses, server)
    except OSError as error:
        return Listeners((local,), tcp_error=_explain(server, error))
    return Listeners((local, remote), address=_address(remote), needs_key=needs_key)


def check_key(server: ServerSettings, needs_key: bool, has_keys: Callable[[], bool]) -> None:
    """See that there is a key where one is needed. Raises OmlxError(INVALID_CONFIG)."""
    if needs_key and not (server.api_key or server.keys or has_keys()):
        raise OmlxError(
            Code.INVALID_CONFIG,
            f"server.host {server.host!r} is not a loopback address, and there is no API key",
            "omlx key create NAME  makes one; or listen on 127.0.0.1",
        )


def listen_unix(path: Path) -> socket.socket:
    """Listen on `path`, for its owner alone, in the place of a dead daemon's socket. Raises OmlxError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _check_private(path.parent)
        path.unlink(missing_ok=True)
        before = os.umask(0o777 - FILE_MODE)
        try:
            listener.bind(str(path))
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise storage.unusable(error, f"cannot listen on {path}") from error
    listener.setblocking(False)
    return listener


def _check_private(folder: Path) -> None:
    """See to it that nobody else can enter the socket's folder. Raises OSError."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise PermissionError(errno.EPERM, f"{folder} is not a folder of yours")
    if found.st_mode & 0o077:
        folder.chmod(DIRECTORY_MODE)


def _resolve(host: str, port: int) -> list[tuple[int, tuple[str, int]]]:
    """Return (family, (address, port)) of each address of `host`; none where it has none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError:
        return []
    return [(int(family), (str(address[0]), int(address[1]))) for family, _, _, _, address in found]


def _bound(listener: socket.socket) -> tuple[int, tuple[str, int]]:
    host, port = listener.getsockname()[:2]
    return int(listener.family), (str(host), int(port))


def _is_loopback(address: tuple[str, int]) -> bool:
    return ipaddress.ip_address(address[0].partition("%")[0]).is_loopback


def _listen_tcp(addresses: list[tuple[int, tuple[str, int]]], server: ServerSettings) -> socket.socket:
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, f"no address for {server.host!r}")
    family, address = addresses[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _explain(server: ServerSettings, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"cannot listen on {server.host}:{server.port}: {error.strerror or error}"
    from omlx_daemon.port_owner import name_owner

    owner = ""
    with contextlib.suppress(OSError):
        owner = name_owner(server.host, server.port)
    return f"port {server.port} on {server.host} is in use" + (f" by {owner}" if owner else "")
