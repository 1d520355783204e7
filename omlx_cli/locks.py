"""File locks that the kernel frees when their holder dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omlx_cli.contract.paths import FILE_MODE

_POLL_S = 0.02


@contextmanager
def held(path: Path, deadline_s: float) -> Iterator[None]:
    """Hold the lock at `path`, waiting for it until `deadline_s` by the monotonic clock.

    Raises TimeoutError; OSError where the file cannot be made.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        while not _take(file, fcntl.LOCK_EX):
            if time.monotonic() > deadline_s:
                raise TimeoutError
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(file)


def is_held(path: Path) -> bool:
    """Tell whether some process holds the lock at `path`, a file or a folder. Raises OSError where it cannot tell."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _take(file, fcntl.LOCK_SH)
    except OSError:
        # The file system knows no locks of folders, so nobody holds one.
        return False
    finally:
        os.close(file)


def _take(file: int, kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
