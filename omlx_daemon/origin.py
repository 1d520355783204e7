"""Who started the daemon, and what it was handed."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from omlx_cli.contract.services import LABEL
from omlx_daemon import activation


@dataclass(frozen=True, slots=True)
class Origin:
    """`manager` is `launchd`, `systemd`, `process` or `foreground`; `listeners` are open TCP listeners."""

    manager: str = "process"
    listeners: tuple[socket.socket, ...] = ()

    @classmethod
    def of_this_process(cls, foreground: bool) -> Origin:
        """Read it off the environment, and take the listeners: once, before anything else is opened."""
        return cls(_manager(foreground), activation.take(os.environ))

    @property
    def starts_on_connection(self) -> bool:
        """Whether the next connection would start the daemon again."""
        return bool(self.listeners)


def _manager(foreground: bool) -> str:
    if os.environ.get("XPC_SERVICE_NAME") == LABEL:
        return "launchd"
    if "NOTIFY_SOCKET" in os.environ:
        return "systemd"
    return "foreground" if foreground else "process"
