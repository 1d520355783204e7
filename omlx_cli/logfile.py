"""The end of a file that the daemon prints to."""

from __future__ import annotations

from collections import deque
from io import TextIOWrapper
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last `count` lines of `path`. Raises OmlxError(NOT_FOUND) where there is no log yet."""
    with _open(path) as file:
        return [line.rstrip("\n") for line in deque(file, maxlen=count)]


def _open(path: Path) -> TextIOWrapper:
    try:
        return TextIOWrapper(files.opened(path), encoding="utf-8", errors="replace", newline="\n")
    except FileNotFoundError as error:
        raise OmlxError(Code.NOT_FOUND, f"there is no log at {path} yet", "omlx start  starts the daemon") from error
