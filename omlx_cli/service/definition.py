"""A definition file of a service manager: written whole or not at all, readable by its owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import FILE_MODE


def read(path: Path) -> bytes | None:
    """Return what the file holds; None where there is none. Raises OmlxError."""
    try:
        return files.read_bytes(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise OmlxError(Code.INTERNAL, f"cannot read {path}: {error.strerror}", f"see who owns {path}") from error


def write(path: Path, data: bytes) -> None:
    """Replace the file. Raises OmlxError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), FILE_MODE)
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise OmlxError(
            Code.INTERNAL, f"cannot write {path}: {error.strerror}", "omlx config set daemon.service process"
        ) from error
