"""Real daemons with the real small model and a cache of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cachewire.driving import Client
from tests.e2e.conftest import make_home


@pytest.fixture
def client(tmp_path: Path, smollm2_path: Path) -> Iterator[Client]:
    """Return a client of a home with SmolLM2 and an empty cache, no daemon yet; it is stopped afterwards."""
    home = make_home(tmp_path, smollm2_path)
    yield Client(home)
    home.stop()
