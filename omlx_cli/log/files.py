"""The log's files: the one that is written, and those it was rotated to."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.log.records import Record, Records
from omlx_cli.log.wanted import Wanted

_GLANCE_BYTES = 256 << 10
"""The end of a file, in which the last few entries are nearly always."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file, which keeps its inode when it is rotated."""

    inode: int
    offset: int


def open_log(log: Path) -> BinaryIO:
    """Open a log. Raises OmlxError(NOT_FOUND) where there is none yet."""
    try:
        return files.opened(log)
    except FileNotFoundError as error:
        raise OmlxError(Code.NOT_FOUND, f"there is no log at {log} yet", "omlx start  starts the daemon") from error


def rotated(log: Path) -> list[Path]:
    """Return the files that the log was rotated to, the newest first."""
    found = [path for path in log.parent.glob(f"{log.name}.*") if path.suffix[1:].isdecimal()]
    return sorted(found, key=lambda path: int(path.suffix[1:]))


def last(log: Path, wanted: Wanted, count: int | None, until: Mark | None = None) -> list[Record]:
    """Return the last `count` wanted entries, or all of them, the oldest first.

    What was written after `until` is left out. Raises OmlxError(NOT_FOUND) where there is no log yet.
    """
    found: list[Record] = []
    open_log(log).close()
    for file, end in _before(log, until):
        with file:
            missing = None if count is None else count - len(found)
            if missing == 0 or (wanted.since and os.fstat(file.fileno()).st_mtime < wanted.since.timestamp()):
                break
            found[:0] = _from_the_end(file, end, wanted, missing)
    return found


def _before(log: Path, until: Mark | None) -> Iterator[tuple[BinaryIO, int]]:
    """Yield each file once, whatever it is called meanwhile, and where to stop in it; the newest first."""
    seen: set[int] = set()
    for path in (log, *rotated(log)):
        try:
            file = files.opened(path)
        except FileNotFoundError:
            continue
        held = os.fstat(file.fileno())
        is_newer = until is not None and not seen and held.st_ino != until.inode
        if is_newer or held.st_ino in seen:
            file.close()
            continue
        yield file, until.offset if until and not seen else held.st_size
        seen.add(held.st_ino)


def _from_the_end(file: BinaryIO, end: int, wanted: Wanted, count: int | None) -> list[Record]:
    for begin in (max(0, end - _GLANCE_BYTES), 0):
        if begin and count is None:
            continue
        records = [record for record in _records(file, begin, end) if wanted.takes(record.entry)]
        if begin == 0 or (count is not None and len(records) > count):
            break
    return records if count is None else records[len(records) - min(count, len(records)) :]


def _records(file: BinaryIO, begin: int, end: int) -> Iterator[Record]:
    """Yield the entries from `begin` on; the first one may lack its head."""
    file.seek(begin)
    data = file.read(end - begin)
    if begin:
        data = data.partition(b"\n")[2]
    text = data.decode(errors="replace").removesuffix("\n")
    yield from Records().of(text.split("\n") if text else ())
