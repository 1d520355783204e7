"""The accounts made to agree with the disk, while others go on writing to both."""

from __future__ import annotations

from collections.abc import Iterable

from omlx_daemon.coldstore.files import look_at
from omlx_daemon.coldstore.scan import FoundFile, NamespaceScan
from omlx_daemon.ledger.space import Shelf, Space


def reconcile(space: Space, found: NamespaceScan, now_ns: int) -> None:
    """Correct a namespace's account by a scan that may be a moment old. Raises OSError."""
    space.note(found)
    _correct(space.blocks, found.blocks, now_ns)
    _correct(space.quarantined, found.quarantined, now_ns)


def reconcile_other(space: Space, found: Iterable[FoundFile], now_ns: int) -> None:
    """Correct the account of another format's namespace. Raises OSError."""
    _correct(space.blocks, found, now_ns)


def _correct(shelf: Shelf, files: Iterable[FoundFile], now_ns: int) -> None:
    """Believe the scan where it agrees; where it differs, the disk as it is now decides."""
    scanned = {file.filename: file for file in files}
    for record in list(shelf.index):
        file = scanned.pop(record.filename, None)
        if file is None or file.disk_bytes != record.disk_bytes:
            _look_again(shelf, record.filename, now_ns)
    for filename in scanned:
        _look_again(shelf, filename, now_ns)


def _look_again(shelf: Shelf, filename: str, now_ns: int) -> None:
    seen = look_at(shelf.directory, shelf.path(filename))
    if seen is None:
        shelf.index.drop(filename)
        return
    known = shelf.index.get(filename)
    shelf.index.add(seen[0]._replace(filename=filename), known.recency_ns if known else min(seen[0].mtime_ns, now_ns))
