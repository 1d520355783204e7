"""A Mac without omlx on it: plain jobs for the stand-in itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.mac import Mac


@pytest.fixture
def mac(tmp_path: Path) -> Iterator[Mac]:
    """Return a Mac whose launchd pauses a twentieth as long as the real one."""
    machine = Mac(tmp_path, "", scale=0.05)
    yield machine
    machine.close()
