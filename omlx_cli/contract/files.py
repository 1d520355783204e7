"""Files that are read. What lies in a file's place and is none, such as a pipe, is an error: nobody waits for it."""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path
from typing import BinaryIO

NO_FILE = errno.ENXIO
"""What the operating system says where a socket is opened."""


def opened(path: Path) -> BinaryIO:
    """Return a file, open for reading. Raises OSError, also for what is none."""
    _check(path.stat(), path)
    return path.open("rb")


def read_bytes(path: Path) -> bytes:
    """Return all that a file holds. Raises OSError, also for what is none."""
    with opened(path) as file:
        return file.read()


def read_text(path: Path, encoding: str = "utf-8", errors: str = "strict") -> str:
    """Return all that a file holds as text, its lines ended by newlines. Raises as `read_bytes`, and UnicodeError."""
    with io.TextIOWrapper(opened(path), encoding=encoding, errors=errors) as file:
        return file.read()


def check(path: Path) -> None:
    """Return where a file could be opened at `path`, whether it is there or not. Raises OSError."""
    try:
        _check(path.stat(), path)
    except FileNotFoundError:
        return


def check_replaceable(path: Path) -> None:
    """Return where a file may take the place of what `path` leads to: of a file, or of nothing yet. Raises OSError."""
    check(path)
    if path.is_char_device():
        raise OSError(NO_FILE, "it is a device, whose place no file takes", str(path))


def _check(found: os.stat_result, path: Path) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode) and not _is_nothing(found):
        raise OSError(NO_FILE, "it is a pipe, a socket or a device, and no file", str(path))


def _is_nothing(found: os.stat_result) -> bool:
    """Tell whether this is `/dev/null`, to which a link empties a file."""
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == Path(os.devnull).stat().st_rdev
