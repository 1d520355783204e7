"""The lock of a cache directory: one accountant at a time."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError

_FLAGS = os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class DirectoryLock:
    """Held from `take` to `give`, and freed by the kernel when the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def take(self) -> None:
        """Take the lock. Raises OmlxError where another holds it, and OSError."""
        files.check(self._path)
        fd = os.open(self._path, _FLAGS, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(fd)
            raise OmlxError(
                Code.CACHE_LOCKED,
                f"the cache in {self._path.parent} is in use by another process ({holder})",
                "stop the other omlx, or set cache.dir to another directory",
            ) from None
        except BaseException:
            os.close(fd)
            raise
        with suppress(OSError):
            self._path.write_text(f"{os.getpid()}\n")
        self.give()
        self._fd = fd

    def is_held(self) -> bool:
        """Return whether the file that was locked is still the one at its path."""
        try:
            return self._fd >= 0 and os.path.samestat(os.fstat(self._fd), os.lstat(self._path))
        except OSError:
            return False

    def give(self) -> None:
        """Let go; again does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
