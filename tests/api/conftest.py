"""One served app for each test module that only reads, and a folder short enough for a unix socket."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.serving import Served, serving


@pytest.fixture(scope="module")
def socket_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="omlx-api-") as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def served(socket_folder: Path) -> Iterator[Served]:
    with serving(socket_folder / "s") as app:
        yield app


@pytest.fixture
def keyed(socket_folder: Path) -> Iterator[Served]:
    """Give an application of its own, whose keys are forgotten at the end."""
    with serving(socket_folder / "keyed") as app:
        yield app
        app.keys_path.unlink(missing_ok=True)
