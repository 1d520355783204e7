"""Small JSON files that must not be lost: each has a copy, and damaged ones are put aside, not overwritten."""

from __future__ import annotations

import contextlib
import os
from itertools import count
from pathlib import Path
from typing import NamedTuple

import msgspec

from omlx_daemon.core import files

Document = dict[str, object]


class Found(NamedTuple):
    """What a file holds; `trouble` tells people what was wrong with it, or is empty."""

    document: Document
    trouble: str = ""


def read(path: Path) -> Found:
    """Return what the file holds, nothing where there is none; what its copy holds where it is damaged.

    Raises OSError where the file is there and cannot be read: what it holds is not known then, and not lost.
    """
    try:
        return Found(_decoded(path))
    except FileNotFoundError:
        return Found({})
    except _DAMAGE as error:
        return _mended(path, str(error))


def write(path: Path, document: Document) -> None:
    """Replace the file, and then its copy. Raises OSError where the file itself cannot be written, the old one left."""
    content = msgspec.json.format(msgspec.json.encode(document)) + b"\n"
    files.replace(path, content)
    # After the file itself: at any moment at least one of the two is whole.
    with contextlib.suppress(OSError):
        files.replace(copy_of(path), content)


def copy_of(path: Path) -> Path:
    """Return where a file's copy lies."""
    return path.with_name(f"{path.name}.bak")


def _mended(path: Path, damage: str) -> Found:
    aside = _put_aside(path)
    where = f", and what was there is kept as {aside.name}" if aside else ""
    try:
        document = _decoded(copy_of(path))
    except (OSError, *_DAMAGE):
        return _anew(path, {}, f"{path} was damaged ({damage}) and has no copy: it begins anew{where}")
    return _anew(path, document, f"{path} was damaged ({damage}): its copy is in force{where}")


def _anew(path: Path, document: Document, trouble: str) -> Found:
    with contextlib.suppress(OSError):
        write(path, document)
    return Found(document, trouble)


def _put_aside(path: Path) -> Path | None:
    names = (path.with_name(f"{path.name}.bad{number or ''}") for number in count())
    aside = next(name for name in names if not name.exists())
    try:
        # A link, so that the file is at its place until a whole one replaces it.
        aside.hardlink_to(path)
    except OSError:
        return None
    return aside


def _decoded(path: Path) -> Document:
    # A pipe in the file's place must not hold the daemon up.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        return msgspec.json.decode(file.read(), type=Document)


_DAMAGE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
