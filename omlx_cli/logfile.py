"""Reading a log file that grows and is rotated."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError

_POLL_S = 0.2


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of `path`. Raises OmlxError(NOT_FOUND) where there is no log yet."""
    try:
        with _open(path) as file:
            return [line.rstrip("\n") for line in deque(file, maxlen=count)]
    except FileNotFoundError as error:
        raise OmlxError(Code.NOT_FOUND, f"there is no log at {path} yet", "omlx start  starts the daemon") from error


def follow(path: Path, wait: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Yield the lines that are appended to `path` from now on, across rotations, for ever."""
    file, rest = _open(path), ""
    file.seek(0, 2)
    try:
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
                wait(_POLL_S)
    finally:
        file.close()


def _was_replaced(path: Path, file: TextIOWrapper) -> bool:
    """Tell whether `path` is another file by now, or a shorter one."""
    import os

    held = os.fstat(file.fileno())
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return there.st_ino != held.st_ino or there.st_size < held.st_size


def _open(path: Path) -> TextIOWrapper:
    return path.open(encoding="utf-8", errors="replace", newline="\n")
