"""The daemon's home: made for its owner alone, held for life, and put right where somebody deletes of it."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from omlx_cli.contract import storage
from omlx_cli.contract.api import DaemonInfo
from omlx_cli.contract.paths import DIRECTORY_MODE, Paths
from omlx_daemon.core import files
from omlx_daemon.locks import DaemonLock
from omlx_daemon.logs import LogFile


@dataclass(frozen=True, slots=True)
class Home:
    """What a running daemon holds of its home."""

    paths: Paths
    lock: DaemonLock
    log: LogFile


class Description:
    """`run/daemon.json`, kept as it was written."""

    def __init__(self, home: Home, info: Callable[[], DaemonInfo]) -> None:
        self._home = home
        self._info = info
        self._written: tuple[int, int, int] | None = None
        self.trouble = ""
        """Why it is not there, or empty."""

    def keep(self) -> None:
        """Write it where it is not as it was written; a disk that takes no file leaves none, rather than an old one."""
        path = self._home.paths.daemon_info
        if self._written and identity(path) == self._written:
            return
        try:
            files.replace(path, msgspec.json.encode(self._info()) + b"\n")
            self._written, self.trouble = identity(path), ""
        except OSError as error:
            self._written, self.trouble = None, f"{path} cannot be written: {storage.reason(error)}"
            with contextlib.suppress(OSError):
                path.unlink()


def prepare(paths: Paths) -> None:
    """Make the home's directories and check that they can be written. Raises OmlxError."""
    try:
        paths.create()
        paths.run.chmod(DIRECTORY_MODE)
    except OSError as error:
        raise storage.unusable(error, f"cannot make {error.filename or paths.home}") from error
    for directory in (paths.home, paths.run, paths.logs):
        _check_writable(directory)


def clear(home: Home) -> None:
    """Take away what tells of a running daemon, where it is ours still; called at the end."""
    paths = home.paths
    with contextlib.suppress(OSError):
        if home.lock.is_current():
            for path in (paths.socket, paths.daemon_info, paths.loaded_names):
                path.unlink(missing_ok=True)


def identity(path: Path) -> tuple[int, int, int] | None:
    """Return what tells a file from its successors; None where there is none. Raises OSError."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns


def _check_writable(folder: Path) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        code = errno.EROFS if os.statvfs(folder).f_flag & os.ST_RDONLY else errno.EACCES
        raise storage.unusable(OSError(code, os.strerror(code)), f"cannot write in {folder}")
