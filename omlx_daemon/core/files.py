"""Small files that are replaced whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def is_at(fd: int, path: Path) -> bool:
    """Return whether an open file or folder is the one at `path`. Raises OSError, but for one that is gone."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


def replace(path: Path, content: bytes) -> None:
    """Write `content` in the place of `path`, readable by its owner alone. Raises OSError, the old file left."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
