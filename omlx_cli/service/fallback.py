"""A service manager where it does as it is told, else a plain process: the daemon comes up either way."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from omlx_cli.service import Managed, Service, Unavailable


class FallbackService:
    """`warn` takes one line for people where the second way had to do."""

    def __init__(self, managed: Managed, plain: Service, warn: Callable[[str], None]) -> None:
        self._managed = managed
        self._plain = plain
        self._warn = warn

    def describe(self) -> str:
        """Return in a few words how the daemon is started."""
        return self._managed.describe()

    def start(self, timeout_s: float) -> None:
        """Start the daemon and return when it is ready. Raises OmlxError; TimeoutError after `timeout_s`."""
        deadline_s = time.monotonic() + timeout_s
        try:
            self._managed.start(timeout_s)
        except Unavailable as error:
            self._warn(f"{self._managed.describe()} does not start the daemon, so it runs by itself: {error}")
            # What the manager may still hold would keep the port from the process.
            self.stop()
            self._plain.start(max(deadline_s - time.monotonic(), 1.0))

    def stop(self) -> None:
        """See to it that nothing but the next `start` starts a daemon."""
        with contextlib.suppress(Unavailable):
            self._managed.stop()
