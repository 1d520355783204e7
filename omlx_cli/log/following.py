"""A log that is read as it is written, from one file into the next."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO

from omlx_cli.contract.files import opened
from omlx_cli.log import files
from omlx_cli.log.files import Mark
from omlx_cli.log.records import Record, Records
from omlx_cli.log.wanted import Wanted

_POLL_S = 0.2


def follow(
    log: Path, wanted: Wanted, count: int | None, pause: Callable[[], None] | None = None
) -> Generator[Record, None, None]:
    """Yield the last `count` wanted entries, then each that is written, for ever; `pause` is between two looks.

    Raises OmlxError(NOT_FOUND) where there is no log yet.
    """
    tail = _Tail(log)
    try:
        yield from files.last(log, wanted, count, tail.mark)
        records = Records()
        while True:
            lines = tail.read()
            for record in records.of(lines):
                if wanted.takes(record.entry):
                    yield record
            if not lines:
                (pause or _sleep)()
    finally:
        tail.close()


class _Tail:
    """The end of the log: whole lines as they come, through rotations and truncations."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._file = files.open_log(log)
        self._rest = b""
        self._file.seek(_last_line_end(self._file))

    @property
    def mark(self) -> Mark:
        """Where reading goes on."""
        return Mark(os.fstat(self._file.fileno()).st_ino, self._file.tell())

    def read(self) -> list[str]:
        """Return the lines that are whole by now; none where nothing was written."""
        data = self._file.read()
        if not data and (after := self._next()) is not None:
            # What was written between the last look and the rotation.
            data = self._file.read()
            self._file.close()
            self._file = after
            data += b"\n" if (self._rest + data)[-1:] not in (b"", b"\n") else b""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [line.decode(errors="replace") for line in whole]

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _next(self) -> BinaryIO | None:
        """Return the file that follows the held one; None while that is the last, or nothing else is there."""
        held = os.fstat(self._file.fileno())
        newer: Path | None = None
        for path in (self._log, *files.rotated(self._log)):
            try:
                found = path.stat()
            except FileNotFoundError:
                continue
            if found.st_ino == held.st_ino:
                if newer is None and found.st_size < self._file.tell():
                    self._file.seek(0)
                break
            # Where the held file is gone, those that were rotated before it stay behind it.
            newer = path if found.st_mtime_ns >= held.st_mtime_ns else newer
        try:
            return opened(newer) if newer else None
        except FileNotFoundError:
            return None


def _last_line_end(file: BinaryIO) -> int:
    """Return the offset behind the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        begin = max(0, end - 65536)
        file.seek(begin)
        found = file.read(end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _sleep() -> None:
    time.sleep(_POLL_S)
