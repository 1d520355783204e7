"""The real start and stop, of a daemon of a few lines."""

from __future__ import annotations

import sys
from pathlib import Path

from omlx_cli.client import Client
from omlx_cli.contract import sockets
from omlx_cli.contract.paths import Paths
from omlx_cli.lifecycle import Lifecycle
from omlx_cli.service.process import ProcessService

ROOT = Path(__file__).parents[2]


def command_of(paths: Paths, mode: str) -> list[str]:
    module = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.cli.fake_daemon import main; main()"
    return [sys.executable, "-c", module, "omlx_daemon", mode, "--home", str(paths.home)]


def lifecycle_of(
    paths: Paths, mode: str = "serve", timeout_s: float = 60.0, warn: list[str] | None = None
) -> Lifecycle:
    warnings = [] if warn is None else warn
    return Lifecycle(
        paths,
        Client(sockets.socket_path(str(paths.home))),
        ProcessService(paths, command_of(paths, mode)),
        lambda: timeout_s,
        warnings.append,
    )


def started(paths: Paths) -> list[int]:
    """Return the process of every start."""
    file = paths.home / "started"
    return [int(line) for line in file.read_text().split()] if file.exists() else []
