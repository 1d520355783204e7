"""Tells whoever started the daemon, once, that it is ready or why it is not."""

from __future__ import annotations

import contextlib
import os

import msgspec

from omlx_cli.contract.errors import ErrorBody, ErrorReply
from omlx_daemon.notify import Notifier


class ReadyPipe:
    """The write end of the starter's pipe, and systemd's address; None where nobody waits at a pipe.

    The pipe gets one line of JSON and is closed then.
    """

    def __init__(self, fd: int | None, notifier: Notifier | None = None) -> None:
        self._fd = fd
        self._notifier = notifier or Notifier({})
        if fd is not None:
            with contextlib.suppress(OSError):
                os.set_inheritable(fd, False)

    def ready(self) -> None:
        """Say that the daemon takes requests."""
        self._notifier.ready()
        self._say(b'{"ready":true}\n')

    def stopping(self) -> None:
        """Say that the daemon lets running requests finish and takes no more."""
        self._notifier.stopping()

    def fail(self, error: ErrorBody) -> None:
        """Say why the daemon does not start."""
        self._notifier.failed(error.message)
        self._say(msgspec.json.encode(ErrorReply(error)) + b"\n")

    def _say(self, line: bytes) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        with contextlib.suppress(OSError):
            os.write(fd, line)
        with contextlib.suppress(OSError):
            os.close(fd)
