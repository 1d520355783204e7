"""Where the parts of this installation lie."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from omlx_cli import __version__
from omlx_cli.books.place import directory
from omlx_cli.contract.api import Reply
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import CacheSettings
from omlx_cli.service.job import lasting


class Places(Reply, frozen=True, kw_only=True):
    """Answer of `omlx self path`; an empty path is of something that is not there."""

    version: str
    python: str
    package: str
    command: str
    """The `omlx` that the PATH finds."""
    shim: str
    home: str
    config: str
    models: str
    cache: str
    logs: str
    socket: str


def find(paths: Paths, cache: CacheSettings, environ: Mapping[str, str] = os.environ) -> Places:
    """Return where everything is."""
    return Places(
        version=__version__,
        python=lasting(sys.executable),
        package=lasting(str(Path(__file__).parents[1])),
        command=shutil.which("omlx", path=environ.get("PATH")) or "",
        shim=str(paths.shim) if paths.shim.exists() else "",
        home=str(paths.home),
        config=str(paths.config),
        models=str(paths.models),
        cache=str(directory(cache, paths)),
        logs=str(paths.logs),
        socket=str(paths.socket),
    )


def uninstaller(prefix: Path = Path(sys.prefix), python: str = sys.executable) -> str:
    """Return the command that removes the program itself, by who installed it at `prefix`."""
    if "Cellar" in prefix.resolve().parts:
        return "brew uninstall omlx"
    for folders, command in ((("pipx", "venvs"), "pipx uninstall omlx"), (("uv", "tools"), "uv tool uninstall omlx")):
        if prefix.parts[-3:-1] == folders:
            return command
    return f"{shlex.quote(python)} -m pip uninstall omlx"
