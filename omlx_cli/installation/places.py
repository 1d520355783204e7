"""Where the parts of this installation lie."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
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
    words = {"brew": "brew uninstall", "pipx": "pipx uninstall", "uv": "uv tool uninstall"}
    return f"{words.get(_installer(prefix), f'{shlex.quote(python)} -m pip uninstall')} omlx"


def reinstaller(requirements: Iterable[str], prefix: Path = Path(sys.prefix), python: str = sys.executable) -> str:
    """Return the command that puts `requirements` right, by who installed the program at `prefix`.

    Where that was pip, the libraries alone are named: where the program itself came from, nobody knows.
    """
    words = {"brew": "brew reinstall", "pipx": "pipx reinstall", "uv": "uv tool upgrade --reinstall"}
    installer = _installer(prefix)
    return f"{words[installer]} omlx" if installer else shlex.join([python, "-m", "pip", "install", *requirements])


def _installer(prefix: Path) -> str:
    if "Cellar" in prefix.resolve().parts:
        return "brew"
    folders = "/".join(prefix.parts[-3:-1])
    return {"pipx/venvs": "pipx", "uv/tools": "uv"}.get(folders, "")
