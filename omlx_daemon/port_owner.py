"""Finds out who listens on a TCP port, as far as this user may know."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from typing import Any

import msgspec
import psutil

from omlx_cli.contract import routes
from omlx_cli.contract.api import Health

ANSWER_S = 1.0
"""How long a stranger may take to say that it is an omlx daemon."""


def name_owner(host: str, port: int) -> str:
    """Return in words who listens on `port`; empty where it cannot be found."""
    health = _ask(host, port)
    if health is not None:
        return f"another omlx daemon{_home(health.pid)} (process {health.pid})"
    for pid in _listeners(port):
        try:
            return f"{psutil.Process(pid).name()} (process {pid})"
        except psutil.Error:
            continue
    return ""


def _ask(host: str, port: int) -> Health | None:
    """Return the health of the omlx daemon that listens there, if it is one."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", routes.HEALTH)
        health = msgspec.json.decode(connection.getresponse().read(65536), type=Health)
    except (OSError, http.client.HTTPException, msgspec.DecodeError, ValueError):
        return None
    finally:
        connection.close()
    return health if health.name == "omlx" else None


def _home(pid: int) -> str:
    try:
        words = psutil.Process(pid).cmdline()
    except psutil.Error:
        return ""
    return f" of {words[words.index('--home') + 1]}" if "--home" in words[:-1] else ""


def _listeners(port: int) -> Iterator[int]:
    """Yield the processes that listen on `port`: of everyone where that is allowed, else of this user."""
    try:
        found: list[Any] = psutil.net_connections("tcp")
    except psutil.Error:
        yield from (process.pid for process in psutil.process_iter() if _listens(process, port))
        return
    yield from (entry.pid for entry in found if entry.pid and _is_listener(entry, port))


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(_is_listener(entry, port) for entry in process.net_connections("tcp"))
    except psutil.Error:
        return False


def _is_listener(entry: Any, port: int) -> bool:
    return bool(entry.status == psutil.CONN_LISTEN and entry.laddr and entry.laddr.port == port)
