"""Where the SSD tier lies and what it may take, by the settings."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import CacheSettings
from omlx_cli.contract.units import parse_size_bytes

AUTO_SHARE = "10%"
"""What `auto` stands for."""


class Place(NamedTuple):
    """A cache directory, its limits and its volume's free bytes, for when the accounts are shown."""

    directory: Path
    quota_bytes: int
    min_free_bytes: int
    free_bytes: int


def directory(settings: CacheSettings, paths: Paths) -> Path:
    """Return the cache directory; a relative one is in the home."""
    return paths.home / Path(settings.dir).expanduser() if settings.dir else paths.cache


def place(settings: CacheSettings, paths: Paths) -> Place:
    """Return the directory with its limits as bytes of its volume."""
    root = directory(settings, paths)
    volume_bytes, free_bytes = _volume_bytes(root)
    quota = AUTO_SHARE if settings.cold_max_size == "auto" else settings.cold_max_size
    return Place(
        root,
        parse_size_bytes(quota, base_bytes=volume_bytes),
        parse_size_bytes(settings.min_free, base_bytes=volume_bytes),
        free_bytes,
    )


def _volume_bytes(root: Path) -> tuple[int, int]:
    """Return the size of the file system that holds `root`, or would, and what is free on it."""
    for path in (root, *root.parents):
        try:
            found = os.statvfs(path)
        except OSError:
            continue
        return found.f_frsize * found.f_blocks, found.f_frsize * found.f_bavail
    return 0, 0
