"""The ways to start the daemon. Each starts the same program; the lifecycle decides when.

A service is told to start only by the holder of `run/start.lock`. It raises OmlxError(ALREADY_RUNNING) where
another daemon holds `run/daemon.lock`, so that the lifecycle can wait for that one instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from omlx_cli.service.report import ServiceReport


class Service(Protocol):
    """One way to start the daemon."""

    def start(self, timeout_s: float) -> None:
        """Start the daemon and return when it is ready. Raises OmlxError; TimeoutError after `timeout_s`."""
        ...

    def stop(self) -> None:
        """See to it that nothing but the next `start` starts a daemon; the one that runs may end meanwhile."""
        ...

    def describe(self) -> str:
        """Return in a few words how the daemon is started."""
        ...


class Managed(Service, Protocol):
    """A service manager of the system, which keeps a definition of the daemon on disk."""

    def home(self) -> Path | None:
        """Return the omlx home that the definition on disk is for; None where there is no definition."""
        ...

    def set_login(self, enabled: bool) -> None:
        """Have the daemon started at login from now on, or on demand alone. Raises OmlxError, Unavailable."""
        ...

    def remove(self) -> None:
        """Take the definition away, and with it the daemon. Raises OmlxError where it is not ours."""
        ...

    def report(self) -> ServiceReport:
        """Return how the service fares; nothing is changed."""
        ...


class Unavailable(Exception):
    """The service manager does not do as it is told; the message is what it said."""
