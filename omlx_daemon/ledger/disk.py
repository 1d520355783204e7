"""The cache directory as a whole: locked, tried out, measured."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.coldstore.documents import TEMPORARY_PREFIX
from omlx_daemon.coldstore.layout import DIRECTORY_MODE, Layout
from omlx_daemon.ledger.lock import DirectoryLock

StatVfs = Callable[[Path], os.statvfs_result]

_TRIAL_BYTES = 4096
_UNIT_BYTES = (4 << 10, 128 << 10)
"""Bounds of the file system's unit, as far as it is believed."""


class Disk:
    """The directory, from `open` to `close`."""

    def __init__(self, root: Path, statvfs: StatVfs, base: Path | None = None) -> None:
        """Keep `root`, which is made where it is missing, with what it lies in: up to `base`, which must be there."""
        self.layout = Layout(root)
        self._base = base
        self._statvfs = statvfs
        self._lock = DirectoryLock(self.layout.lock)
        self.per_file_bytes = 0
        """What a file may take beyond its length: the rest of its last unit, its directory's growth, its map."""

    def open(self) -> None:
        """Make the directory and lock it. Raises OmlxError where another holds it or it cannot be used."""
        try:
            self._create()
            self._lock.take()
            self.per_file_bytes = 3 * min(max(self._statvfs(self.layout.root).f_frsize, _UNIT_BYTES[0]), _UNIT_BYTES[1])
        except OSError as error:
            self.close()
            reason = error.strerror or str(error)
            raise OmlxError(
                Code.CACHE_UNUSABLE,
                f"the cache directory {self.layout.root} cannot be used: {reason}",
                "set cache.dir to a directory that can be written",
            ) from error

    def is_open(self) -> bool:
        """Return whether the directory is ours."""
        return self._lock.is_held()

    def close(self) -> None:
        """Let go of the lock."""
        self._lock.give()

    def free_bytes(self) -> int:
        """Return what is free on the file system. Raises OSError."""
        found = self._statvfs(self.layout.root)
        return found.f_bavail * found.f_frsize

    def try_out(self) -> None:
        """Make sure that the directory is there, is ours and takes a file. Raises OSError."""
        self._create()
        if not self._lock.is_held():
            try:
                self._lock.take()
            except OmlxError as error:
                raise BlockingIOError(11, str(error)) from error
        path = self.layout.root / f"{TEMPORARY_PREFIX}{os.getpid()}-trial"
        try:
            path.write_bytes(bytes(_TRIAL_BYTES))
        finally:
            with suppress(OSError):
                path.unlink()

    def _create(self) -> None:
        """Make the directory. A home that was deleted stays deleted, at whatever moment that was. Raises OSError."""
        root = self.layout.root
        if self._base is None:
            root.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        else:
            for folder in reversed(root.relative_to(self._base).parents[:-1]):
                (self._base / folder).mkdir(mode=DIRECTORY_MODE, exist_ok=True)
        self.layout.create()
