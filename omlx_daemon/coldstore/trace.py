"""Whether files came or went: directories alone are looked at, a few hundred where there may be many thousand files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LISTED_DEPTH = 3
"""The root, the directories of formats, those of namespaces; what lies below is not listed."""

Trace = frozenset[tuple[int, int, int]]
"""Device, inode and time of change of every directory."""


def trace(root: Path) -> Trace:
    """Return what differs once a file is made, renamed or removed below `root`. Raises OSError where it is not there.

    A file that grows in its place leaves no trace.
    """
    return frozenset([_mark(root.stat()), *_below(os.path.realpath(root), _LISTED_DEPTH)])


def _below(directory: str, depth: int) -> Iterator[tuple[int, int, int]]:
    # What goes while it is looked at changes its parent, which the next look sees.
    with suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield _mark(entry.stat(follow_symlinks=False))
                if depth > 1:
                    yield from _below(entry.path, depth - 1)


def _mark(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_dev, found.st_ino, found.st_mtime_ns
