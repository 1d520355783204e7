from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ledger.bench import Bench, opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Return a ledger without limits on an empty directory, three models attached."""
    with opened(tmp_path / "cache") as made:
        yield made
