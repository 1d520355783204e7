"""Every path stands under the home, and the socket's path is never too long to bind."""

from __future__ import annotations

import os
from pathlib import Path

from omlx_cli.contract import sockets
from omlx_cli.contract.paths import Paths


def test_a_short_home_has_its_socket_inside() -> None:
    assert sockets.socket_path("/h") == "/h/run/omlx.sock"


def test_a_long_home_has_a_short_socket_of_its_own() -> None:
    first, second = (sockets.socket_path(f"/{'x' * 120}/{name}") for name in "ab")
    assert first != second
    assert first == sockets.socket_path(f"/{'x' * 120}/a")
    assert max(len(os.fsencode(path)) for path in (first, second)) <= sockets.MAX_SOCKET_PATH_BYTES


def test_directories_are_private(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home")
    paths.create()
    for folder in (paths.home, paths.models, paths.logs, paths.run):
        assert folder.stat().st_mode & 0o777 == 0o700
