"""The accounts made to agree with the disk, while others go on writing to both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from omlx_daemon.coldstore.files import look_at
from omlx_daemon.coldstore.scan import FoundFile, NamespaceScan
from omlx_daemon.ledger.index import Record
from omlx_daemon.ledger.space import Shelf, Space


def reconcile(space: Space, found: NamespaceScan, now_ns: int) -> list[Record]:
    """Correct a namespace's account by a scan that may be a moment old; return the blocks that are gone.

    Raises OSError.
    """
    space.note(found)
    list(_correct(space.quarantined, found.quarantined, now_ns))
    return list(_correct(space.blocks, found.blocks, now_ns))


def reconcile_other(space: Space, found: Iterable[FoundFile], now_ns: int) -> None:
    """Correct the account of another format's namespace. Raises OSError."""
    list(_correct(space.blocks, found, now_ns))


def _correct(shelf: Shelf, files: Iterable[FoundFile], now_ns: int) -> Iterator[Record]:
    """Believe the scan where it agrees; where it differs, the disk as it is now decides. Yield what is gone."""
    scanned = {file.filename: file for file in files}
    for record in list(shelf.index):
        file = scanned.pop(record.filename, None)
        differs = file is None or file.disk_bytes != record.disk_bytes
        if differs and not _look_again(shelf, record.filename, now_ns):
            yield record
    for filename in scanned:
        _look_again(shelf, filename, now_ns)


def _look_again(shelf: Shelf, filename: str, now_ns: int) -> bool:
    """Enter a file as it is now, or strike it out; return whether it is there."""
    seen = look_at(shelf.directory, shelf.path(filename))
    if seen is None:
        shelf.index.drop(filename)
        return False
    known = shelf.index.get(filename)
    shelf.index.add(seen[0]._replace(filename=filename), known.recency_ns if known else min(seen[0].mtime_ns, now_ns))
    return True
