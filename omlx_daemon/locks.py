"""The lock that makes one home have one daemon. The kernel frees it when the daemon dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import FILE_MODE


class DaemonLock:
    """`run/daemon.lock`, held from `__enter__` to `__exit__`. The process id in it informs and never decides."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def __enter__(self) -> DaemonLock:
        """Take the lock without waiting. Raises OmlxError(ALREADY_RUNNING), OSError."""
        while not self._take():
            os.close(self._fd)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def _take(self) -> bool:
        """Open and lock the file; False where it was replaced meanwhile."""
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip()
            os.close(self._fd)
            who = f" (process {holder})" if holder.isdigit() else ""
            raise OmlxError(
                Code.ALREADY_RUNNING, f"another daemon{who} serves {self._path.parent.parent}", "omlx stop  ends it"
            ) from error
        return self._is_current()

    def _is_current(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False
        mine = os.fstat(self._fd)
        return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)
