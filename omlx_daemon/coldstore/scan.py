"""What lies in the cache directory, from names and `stat` alone: no file is opened, no link followed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from omlx_daemon.coldstore import names
from omlx_daemon.coldstore.documents import TEMPORARY_PREFIX
from omlx_daemon.coldstore.layout import (
    BUCKET,
    NAMESPACE_FILE,
    QUARANTINE,
    Layout,
    is_bucket,
    is_fingerprint,
    open_directory,
)

STAT_BLOCK_BYTES = 512
"""Unit of `st_blocks`, whatever the file system."""

_FAN = re.compile(r"[0-9a-f]{2}", re.ASCII)


class FoundFile(NamedTuple):
    """One file of a directory."""

    filename: str
    size_bytes: int
    disk_bytes: int
    """What it takes on disk, as `du` counts."""
    mtime_ns: int


@dataclass(slots=True)
class Strays:
    """Files that are no blocks."""

    files: int = 0
    disk_bytes: int = 0

    def add(self, found: os.stat_result) -> None:
        """Count one more."""
        self.files += 1
        self.disk_bytes += found.st_blocks * STAT_BLOCK_BYTES


@dataclass(slots=True)
class NamespaceScan:
    """One namespace's directory."""

    blocks: list[FoundFile] = field(default_factory=list)
    temporaries: list[FoundFile] = field(default_factory=list)
    quarantined: list[FoundFile] = field(default_factory=list)
    foreign: Strays = field(default_factory=Strays)
    """Not of omlx's making, symbolic links included: counted, never removed."""
    symlinks: int = 0
    unreadable: int = 0
    """Directories that could not be listed, files that could not be looked at."""
    directories: dict[str, int] = field(default_factory=dict)
    """Bytes on disk of the namespace's own directory (``""``) and of each below it."""
    description_bytes: int = 0


@dataclass(slots=True)
class Scan:
    """The whole cache directory."""

    namespaces: dict[str, NamespaceScan] = field(default_factory=dict)
    other_versions: dict[str, list[FoundFile]] = field(default_factory=dict)
    """Files of other formats' namespaces by `<bucket>/<fingerprint>`, named by their path below it."""
    foreign: Strays = field(default_factory=Strays)
    own_bytes: int = 0
    """Lock, tag, pins, budget and the directories above the namespaces."""
    temporaries: list[FoundFile] = field(default_factory=list)
    """Of the ledger's own small files."""
    unreadable: int = 0


def scan(layout: Layout) -> Scan:
    """Look at everything below the cache directory. Raises OSError where that itself cannot be listed."""
    result = Scan()
    own = {layout.lock.name, layout.tag.name, layout.pins.name, layout.budget.name}
    with open_directory(os.path.realpath(layout.root)) as root:
        result.own_bytes += _disk_bytes(os.fstat(root))
        for entry in _entries(root):
            if is_bucket(entry.name) and entry.is_dir(follow_symlinks=False):
                _scan_bucket(result, root, entry.name)
            elif entry.name.startswith(TEMPORARY_PREFIX) and entry.is_file(follow_symlinks=False):
                _append(result.temporaries, entry)
            elif entry.name in own and entry.is_file(follow_symlinks=False):
                result.own_bytes += _disk_bytes(entry.stat(follow_symlinks=False))
            else:
                result.unreadable += _count_tree(result.foreign, root, entry)
    return result


def scan_namespace(namespace_dir: Path) -> NamespaceScan:
    """Look at one namespace. Raises OSError where its directory cannot be listed."""
    with open_directory(namespace_dir) as fd:
        return _scan_namespace(fd)


def _scan_bucket(result: Scan, root: int, bucket: str) -> None:
    with _opened(result, root, bucket) as fd:
        for entry in _entries(fd):
            if not is_fingerprint(entry.name) or not entry.is_dir(follow_symlinks=False):
                result.unreadable += _count_tree(result.foreign, fd, entry)
            elif bucket == BUCKET:
                with _opened(result, fd, entry.name) as space:
                    if space is not None:
                        result.namespaces[entry.name] = _scan_namespace(space)
            else:
                files = result.other_versions.setdefault(f"{bucket}/{entry.name}", [])
                result.own_bytes += _collect(files, fd, entry.name, "")
        result.own_bytes += 0 if fd is None else _disk_bytes(os.fstat(fd))


def _scan_namespace(fd: int) -> NamespaceScan:
    result = NamespaceScan()
    result.directories[""] = _disk_bytes(os.fstat(fd))
    for entry in _entries(fd):
        is_file = entry.is_file(follow_symlinks=False)
        if entry.name == QUARANTINE:
            _scan_files(result, fd, entry, result.quarantined, _is_any)
        elif _FAN.fullmatch(entry.name):
            _scan_files(result, fd, entry, result.blocks, names.is_block)
        elif is_file and entry.name.startswith(TEMPORARY_PREFIX):
            _append(result.temporaries, entry)
        elif is_file and entry.name == NAMESPACE_FILE:
            result.description_bytes = _disk_bytes(entry.stat(follow_symlinks=False))
        else:
            _count_foreign(result, fd, entry)
    return result


def _scan_files(
    result: NamespaceScan,
    parent: int,
    directory: os.DirEntry[str],
    files: list[FoundFile],
    wanted: Callable[[str], bool],
) -> None:
    if not directory.is_dir(follow_symlinks=False):
        _count_foreign(result, parent, directory)
        return
    start = "" if directory.name == QUARANTINE else directory.name
    with _opened(result, parent, directory.name) as fd:
        if fd is not None:
            result.directories[directory.name] = _disk_bytes(os.fstat(fd))
        for entry in _entries(fd):
            # A hundred thousand times within a second: what happens here is written out, not called.
            filename = entry.name
            if filename.startswith(start) and wanted(filename) and entry.is_file(follow_symlinks=False):
                try:
                    found = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                disk_bytes = found.st_blocks * STAT_BLOCK_BYTES
                files.append(FoundFile(filename, found.st_size, disk_bytes, found.st_mtime_ns))
            else:
                _count_foreign(result, fd, entry)


def _is_any(filename: str) -> bool:
    return True


def _count_foreign(result: NamespaceScan, fd: int | None, entry: os.DirEntry[str]) -> None:
    result.symlinks += entry.is_symlink()
    result.unreadable += _count_tree(result.foreign, fd, entry)


def _count_tree(strays: Strays, parent: int | None, entry: os.DirEntry[str]) -> int:
    """Count an entry and all below it; return how many directories could not be listed."""
    with suppress(FileNotFoundError):
        strays.add(entry.stat(follow_symlinks=False))
    if not entry.is_dir(follow_symlinks=False):
        return 0
    try:
        with open_directory(entry.name, parent) as fd:
            return sum(_count_tree(strays, fd, below) for below in _entries(fd))
    except OSError:
        return 1


def _collect(files: list[FoundFile], parent: int | None, name: str, path: str) -> int:
    """Append every file below a directory to `files`; return the bytes of the directories themselves."""
    directory_bytes = 0
    with suppress(OSError), open_directory(name, parent) as fd:
        directory_bytes += _disk_bytes(os.fstat(fd))
        for entry in _entries(fd):
            if entry.is_dir(follow_symlinks=False):
                directory_bytes += _collect(files, fd, entry.name, f"{path}{entry.name}/")
            else:
                _append(files, entry, path)
    return directory_bytes


@contextmanager
def _opened(result: Scan | NamespaceScan, parent: int | None, name: str) -> Iterator[int | None]:
    """Give a directory's descriptor, or None, counted, where it cannot be opened."""
    with ExitStack() as stack:
        try:
            fd = stack.enter_context(open_directory(name, parent))
        except OSError:
            result.unreadable += 1
            yield None
        else:
            yield fd


def _entries(fd: int | None) -> Iterator[os.DirEntry[str]]:
    if fd is not None:
        with os.scandir(fd) as entries:
            yield from entries


def _append(files: list[FoundFile], entry: os.DirEntry[str], path: str = "") -> None:
    with suppress(FileNotFoundError):
        found = entry.stat(follow_symlinks=False)
        disk_bytes = found.st_blocks * STAT_BLOCK_BYTES
        files.append(FoundFile(path + entry.name, found.st_size, disk_bytes, found.st_mtime_ns))


def _disk_bytes(found: os.stat_result) -> int:
    return found.st_blocks * STAT_BLOCK_BYTES
