"""The lock that makes one home have one daemon. The kernel frees it when the daemon dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from types import TracebackType

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.files import check
from omlx_cli.contract.paths import FILE_MODE
from omlx_daemon.core import files

_NO_FD = -1


class DaemonLock:
    """`run/daemon.lock` and the home itself, held from `__enter__` to `__exit__`.

    The process id in the file informs and never decides. The home is locked too because `run` can be deleted under
    a running daemon, and the next one would find a lock file that nobody holds.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._home = path.parent.parent
        self._fd = self._home_fd = _NO_FD

    def __enter__(self) -> DaemonLock:
        """Take the lock without waiting. Raises OmlxError(ALREADY_RUNNING), OSError."""
        self._home_fd = self._take_home()
        try:
            self._fd = self._take_file()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for fd in (self._fd, self._home_fd):
            if fd != _NO_FD:
                os.close(fd)
        self._fd = self._home_fd = _NO_FD

    def is_current(self) -> bool:
        """Return whether the file at the lock's path is the one that is held. Raises OSError."""
        return files.is_at(self._fd, self._path)

    def has_home(self) -> bool:
        """Return whether the home is still the folder that was locked. Raises OSError but for one that is gone."""
        return self._home_fd == _NO_FD or files.is_at(self._home_fd, self._home)

    def renew(self) -> None:
        """Take the lock again where its file was deleted. Raises OmlxError(ALREADY_RUNNING), OSError."""
        if not self.is_current():
            lost, self._fd = self._fd, self._take_file()
            os.close(lost)

    def _take_home(self) -> int:
        fd = os.open(self._home, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise self._refusal(self._holder()) from error
        except OSError:
            # Some network file systems lock files alone.
            os.close(fd)
            return _NO_FD
        return fd

    def _take_file(self) -> int:
        """Open and lock the file, once more where it was replaced meanwhile."""
        check(self._path)
        while True:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, FILE_MODE)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if files.is_at(fd, self._path):
                    _sign(fd)
                    return fd
            except BlockingIOError as error:
                holder = _signed(fd)
                os.close(fd)
                raise self._refusal(holder) from error
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _holder(self) -> str:
        with contextlib.suppress(OSError):
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                return _signed(fd)
            finally:
                os.close(fd)
        return ""

    def _refusal(self, holder: str) -> OmlxError:
        who = f" (process {holder})" if holder else ""
        return OmlxError(Code.ALREADY_RUNNING, f"another daemon{who} serves {self._home}", "omlx stop  ends it")


def _sign(fd: int) -> None:
    """Leave the holder's process id; a full disk takes none."""
    os.ftruncate(fd, 0)
    with contextlib.suppress(OSError):
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def _signed(fd: int) -> str:
    text = os.pread(fd, 32, 0).decode(errors="replace").strip()
    return text if text.isdigit() else ""
