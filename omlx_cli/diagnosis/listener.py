"""Who listens on a TCP port, as far as this user may know."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from omlx_cli import processes


@dataclass(frozen=True, slots=True)
class Listener:
    """A program that listens; `home` where it is an omlx daemon and its home is known."""

    name: str
    pid: int
    home: str = ""

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})" if self.pid else self.name


def is_free(host: str, port: int) -> bool:
    """Tell whether a daemon could listen there. Raises OSError where that fails for another reason than company."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def find(port: int) -> Listener | None:
    """Return who listens on `port`; None where it cannot be found out. Nobody is connected to: that could start one."""
    pids = [*_pids(port)]
    for pid in sorted(pids, key=processes.is_daemon, reverse=True):
        try:
            name = psutil.Process(pid).name()
        except psutil.Error:
            continue
        if not processes.is_daemon(pid):
            return Listener(name, pid)
        home = _home(pid)
        return Listener(f"the omlx daemon of {home or 'another home'}", pid, home)
    return None


def _home(pid: int) -> str:
    """Return the home of a daemon of this user; empty where it cannot be told."""
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        if "--home" in words[:-1]:
            return words[words.index("--home") + 1]
        environment = process.environ()
    except psutil.Error:
        return ""
    return environment.get("OMLX_HOME") or (f"{environment['HOME']}/.omlx" if environment.get("HOME") else "")


def _pids(port: int) -> Iterator[int]:
    """Yield the processes that listen on `port`: of everyone where that is allowed, else of this user."""
    try:
        found: list[Any] = psutil.net_connections("tcp")
    except psutil.Error:
        yield from (process.pid for process in psutil.process_iter() if _listens(process, port))
        return
    yield from (entry.pid for entry in found if entry.pid and _is_on(entry, port))


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(_is_on(entry, port) for entry in process.net_connections("tcp"))
    except psutil.Error:
        return False


def _is_on(entry: Any, port: int) -> bool:
    return bool(entry.status == psutil.CONN_LISTEN and entry.laddr and entry.laddr.port == port)
