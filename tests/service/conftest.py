"""Machines with stand-ins for launchd and for systemd; nothing of them outlives a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.standin.mac import Mac, compile_library


@pytest.fixture(scope="session")
def launchd_library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a library that stands in for launchd's; empty where there is no compiler."""
    return compile_library(tmp_path_factory.mktemp("library"))


@pytest.fixture
def mac(tmp_path: Path, launchd_library: str) -> Iterator[Mac]:
    """Return a Mac whose launchd pauses a tenth as long as the real one."""
    machine = Mac(tmp_path, launchd_library)
    yield machine
    machine.close()
