"""Changes to files that are there already: removed, touched, looked at. No link is followed on the way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from itertools import groupby
from pathlib import Path, PurePosixPath

from omlx_daemon.coldstore.layout import NAMESPACE_FILE, open_directory
from omlx_daemon.coldstore.scan import STAT_BLOCK_BYTES, FoundFile

_REMOVERS = 4
_WORTH_THREADS = 16


def remove_files(directory: Path, paths: Iterable[str]) -> None:
    """Remove the files at `paths` below `directory`; those that are gone already are no error. Raises OSError."""
    groups = list(_by_parent(paths))
    if len(groups) < _WORTH_THREADS:
        _remove(directory, groups)
        return
    # A removal mostly waits for the file system's journal, and directories do not wait for each other.
    with ThreadPoolExecutor(_REMOVERS) as threads:
        jobs = [threads.submit(_remove, directory, groups[first::_REMOVERS]) for first in range(_REMOVERS)]
    for job in jobs:
        job.result()


def touch_files(directory: Path, times_ns: Mapping[str, int]) -> None:
    """Give the files at these paths these modification times; missing ones are passed over. Raises OSError."""
    for parent, names in _by_parent(times_ns):
        with suppress(FileNotFoundError), _open_below(directory, parent) as fd:
            for name in names:
                time_ns = times_ns[f"{parent}/{name}" if parent else name]
                with suppress(FileNotFoundError):
                    os.utime(name, ns=(time_ns, time_ns), dir_fd=fd, follow_symlinks=False)


def look_at(directory: Path, path: str) -> tuple[FoundFile, int] | None:
    """Return the file at `path` and the bytes of the directory that holds it, or None. Raises OSError."""
    place = PurePosixPath(path)
    try:
        with _open_below(directory, str(place.parent) if len(place.parts) > 1 else "") as fd:
            found = os.stat(place.name, dir_fd=fd, follow_symlinks=False)
            holder_bytes = os.fstat(fd).st_blocks * STAT_BLOCK_BYTES
    except FileNotFoundError:
        return None
    file = FoundFile(place.name, found.st_size, found.st_blocks * STAT_BLOCK_BYTES, found.st_mtime_ns)
    return file, holder_bytes


def remove_empty(directory: Path) -> None:
    """Remove a namespace's directory where it holds empty directories and its description alone. Raises OSError."""
    with suppress(FileNotFoundError):
        with open_directory(directory) as fd:
            if not _remove_empty_below(fd):
                return
            with suppress(FileNotFoundError):
                os.unlink(NAMESPACE_FILE, dir_fd=fd)
        with suppress(OSError):
            directory.rmdir()


def _remove(directory: Path, groups: Sequence[tuple[str, Sequence[str]]]) -> None:
    with suppress(FileNotFoundError), open_directory(directory) as root:
        for parent, names in groups:
            with suppress(FileNotFoundError), _open_from(root, parent) as fd:
                for name in names:
                    with suppress(FileNotFoundError):
                        os.unlink(name, dir_fd=fd)


def _remove_empty_below(parent: int) -> bool:
    """Remove empty directories; return whether nothing but a namespace's description is left."""
    with os.scandir(parent) as entries:
        below = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    left = [name for name, is_directory in below if not is_directory and name != NAMESPACE_FILE]
    for name in [name for name, is_directory in below if is_directory]:
        with open_directory(name, parent) as fd:
            empty = _remove_empty_below(fd)
        try:
            os.rmdir(name, dir_fd=parent)
        except OSError:
            empty = False
        left += [] if empty else [name]
    return not left


@contextmanager
def _open_below(directory: Path, path: str) -> Iterator[int]:
    with open_directory(directory) as root, _open_from(root, path) as fd:
        yield fd


@contextmanager
def _open_from(fd: int, path: str) -> Iterator[int]:
    """Give a descriptor of the directory at `path`, component by component; `fd` itself where that is empty."""
    with ExitStack() as stack:
        for name in path.split("/") if path else ():
            fd = stack.enter_context(open_directory(name, fd))
        yield fd


def _by_parent(paths: Iterable[str]) -> Iterator[tuple[str, Sequence[str]]]:
    split = sorted(path.rpartition("/")[::2] for path in paths)
    for parent, group in groupby(split, key=lambda pair: pair[0]):
        yield parent, [name for _, name in group]
