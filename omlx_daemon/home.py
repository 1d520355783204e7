"""Makes the home, for its owner alone, and says plainly where it cannot be made."""

from __future__ import annotations

import os

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.paths import DIRECTORY_MODE, Paths


def prepare(paths: Paths) -> None:
    """Make the home's directories and check that they can be written. Raises OmlxError."""
    try:
        paths.create()
        paths.run.chmod(DIRECTORY_MODE)
    except OSError as error:
        where = error.filename or paths.home
        raise _unusable(f"cannot make {where}: {error.strerror or error}") from error
    for directory in (paths.home, paths.run, paths.logs):
        if not os.access(directory, os.W_OK | os.X_OK):
            raise _unusable(f"cannot write in {directory}")


def _unusable(message: str) -> OmlxError:
    return OmlxError(Code.INTERNAL, message, "set OMLX_HOME to a folder that you can write")
