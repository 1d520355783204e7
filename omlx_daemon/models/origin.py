"""`omlx.json` in a model's folder: what it is called and where it came from."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from omlx_cli.contract import files

FILE = "omlx.json"


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Written once, when the model is published."""

    name: str
    aliases: tuple[str, ...] = ()
    origin: str = ""
    source_state: str = ""
    """Size and time of a local source when it was taken, to see whether it changed since."""
    license: str = ""
    pulled_at: str = ""


def read(folder: Path) -> Origin | None:
    """Return the record of a folder; None where it is missing or damaged."""
    try:
        return msgspec.json.decode(files.read_bytes(folder / FILE), type=Origin)
    except (OSError, msgspec.DecodeError):
        return None


def write(folder: Path, origin: Origin) -> None:
    """Write the record. Raises OSError."""
    with (folder / FILE).open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(origin), indent=2) + b"\n")
        os.fsync(file.fileno())
