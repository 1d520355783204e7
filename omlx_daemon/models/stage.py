"""A model's folder is built out of sight and appears whole: a killed pull leaves no half model."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omlx_daemon.models import locks

PREFIX = ".tmp-"


@contextmanager
def stage(models: Path, lock_folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside the models, gone afterwards unless it was published.

    Folders that killed pulls left are deleted on the way: each holds a lock on itself while its maker lives.
    Raises OSError.
    """
    models.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locks.exclusive(lock_folder, "stage"):
        _delete_stale(models)
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=models))
        descriptor = os.open(folder, os.O_RDONLY)
        locks.try_lock(descriptor)
    try:
        yield folder
    finally:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> None:
    """Make a staged folder the model at `target`, durably; what stood there before is replaced. Raises OSError."""
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)
    if target.exists():
        set_aside(target)
    folder.rename(target)
    _sync(target.parent)


def set_aside(target: Path) -> None:
    """Delete a model's folder so that it vanishes at once. Raises OSError."""
    grave = Path(tempfile.mkdtemp(prefix=PREFIX, dir=target.parent))
    target.rename(grave / "old")
    shutil.rmtree(grave, ignore_errors=True)


def _delete_stale(models: Path) -> None:
    for folder in models.glob(f"{PREFIX}*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:
            continue
        try:
            if locks.try_lock(descriptor):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
