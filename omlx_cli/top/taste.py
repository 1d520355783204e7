"""How the user likes the dashboard, from one start to the next."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import msgspec

from omlx_cli.contract import files
from omlx_cli.contract.paths import FILE_MODE


class Taste:
    """What is kept in the file at `path`. One that cannot be read or written is none, and no error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def theme(self) -> str:
        """Return the theme that was chosen last, or empty."""
        try:
            return msgspec.json.decode(files.read_bytes(self._path), type=_Kept).theme
        except (OSError, msgspec.DecodeError):
            return ""

    def keep_theme(self, name: str) -> None:
        """Keep a theme's name."""
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            fresh.touch(FILE_MODE)
            fresh.write_bytes(msgspec.json.encode(_Kept(theme=name)) + b"\n")
            fresh.replace(self._path)


class _Kept(msgspec.Struct, frozen=True):
    theme: str = ""
