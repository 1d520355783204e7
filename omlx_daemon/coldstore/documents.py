"""Small JSON files that are replaced whole."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

TEMPORARY_PREFIX = ".tmp-"
"""Begins the name of a file in the making; the writer's process id follows."""

FILE_MODE = 0o600
MAX_BYTES = 16 << 20


def write_document(path: Path, document: Mapping[str, object]) -> None:
    """Replace the file at `path`; a reader sees the old document or the new one. Raises OSError."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{path.name}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(temporary, flags, FILE_MODE), "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def read_document(path: Path) -> dict[str, object]:
    """Return the JSON object at `path`, or an empty one where there is none that can be read."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            document = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
