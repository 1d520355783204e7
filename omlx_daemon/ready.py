"""Tells whoever started the daemon, once, that it is ready or why it is not."""

from __future__ import annotations

import contextlib
import os

import msgspec

from omlx_cli.contract.errors import ErrorBody, ErrorReply


class ReadyPipe:
    """The write end of the starter's pipe; None where nobody waits. Says one line of JSON, then closes."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd
        if fd is not None:
            with contextlib.suppress(OSError):
                os.set_inheritable(fd, False)

    def ready(self) -> None:
        """Say that the daemon takes requests."""
        self._say(b'{"ready":true}\n')

    def fail(self, error: ErrorBody) -> None:
        """Say why the daemon does not start."""
        self._say(msgspec.json.encode(ErrorReply(error)) + b"\n")

    def _say(self, line: bytes) -> None:
        fd, self._fd = self._fd, None
        if fd is None:
            return
        with contextlib.suppress(OSError):
            os.write(fd, line)
        with contextlib.suppress(OSError):
            os.close(fd)
