"""Tells systemd how the daemon fares, in single datagrams."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import MutableMapping


class Notifier:
    """Speaks to `$NOTIFY_SOCKET`; silent where there is none. Whoever it starts does not inherit the address."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        address = environ.pop("NOTIFY_SOCKET", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def ready(self) -> None:
        """Say that the daemon takes requests."""
        self._send("READY=1\nSTATUS=ready")

    def stopping(self) -> None:
        """Say that the daemon ends."""
        self._send("STOPPING=1\nSTATUS=letting running requests finish")

    def failed(self, message: str) -> None:
        """Say in one line why the daemon does not start."""
        self._send(f"STATUS={' '.join(message.split())}")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(text.encode(), self._address)
