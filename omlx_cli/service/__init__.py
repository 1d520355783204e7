"""The ways to start the daemon. Each starts the same program; the lifecycle decides when.

A service is told to start only by the holder of `run/start.lock`. It raises OmlxError(ALREADY_RUNNING) where
another daemon holds `run/daemon.lock`, so that the lifecycle can wait for that one instead.
"""

from __future__ import annotations

from typing import Protocol


class Service(Protocol):
    """One way to start the daemon."""

    def start(self, timeout_s: float) -> None:
        """Start the daemon and return when it is ready. Raises OmlxError; TimeoutError after `timeout_s`."""
        ...

    def describe(self) -> str:
        """Return in a few words how the daemon is started."""
        ...
