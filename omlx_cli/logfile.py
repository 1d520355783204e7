"""Reading a log file that grows and is rotated."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError

_POLL_S = 0.2


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of `path`. Raises OmlxError(NOT_FOUND) where there is no log yet."""
    with _open(path) as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def follow(path: Path, count: int) -> Iterator[str]:
    """Yield the last `count` lines of `path`, then every line as it is appended, across rotations, for ever.

    Raises OmlxError(NOT_FOUND) where there is no log yet.
    """
    file, rest = _open(path), ""
    try:
        for line in deque(file, maxlen=count):
            if line.endswith("\n"):
                yield line[:-1]
            else:
                rest = line
        while True:
            text = file.read()
            *lines, rest = (rest + text).split("\n")
            yield from lines
            if text:
                continue
            if _was_replaced(path, file):
                file.close()
                file = _open(path)
            else:
                time.sleep(_POLL_S)
    finally:
        file.close()


def _was_replaced(path: Path, file: TextIOWrapper) -> bool:
    """Tell whether `path` is another file by now, or a shorter one."""
    held = os.fstat(file.fileno())
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return there.st_ino != held.st_ino or there.st_size < file.tell()


def _open(path: Path) -> TextIOWrapper:
    try:
        return path.open(encoding="utf-8", errors="replace", newline="\n")
    except FileNotFoundError as error:
        raise OmlxError(Code.NOT_FOUND, f"there is no log at {path} yet", "omlx start  starts the daemon") from error
