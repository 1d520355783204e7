"""Real daemons with a model and a cache of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cachewire.driving import MODEL, Client
from tests.e2e.conftest import make_home
from tests.worker.models import TEMPLATE, write_model

ROOMY = {"num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 32}
"""16 KiB of KV a token, 4 MiB a block: nothing to compute and much to store."""


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model that computes at once and whose blocks are large."""
    folder = write_model(tmp_path_factory.mktemp("models") / MODEL, sizes=ROOMY)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def client(tmp_path: Path, tiny_path: Path) -> Iterator[Client]:
    """Return a client of a home with the random model and an empty cache, no daemon yet; it is stopped afterwards."""
    yield from _client(tmp_path, tiny_path)


@pytest.fixture
def smollm2(tmp_path: Path, wide_smollm2_path: Path) -> Iterator[Client]:
    """Return the same with SmolLM2."""
    yield from _client(tmp_path, wide_smollm2_path)


@pytest.fixture
def gemma3(tmp_path: Path, wide_gemma3_path: Path) -> Iterator[Client]:
    """Return the same with Gemma 3 270M, whose layers have windows but for every sixth."""
    yield from _client(tmp_path, wide_gemma3_path)


def _client(parent: Path, model: Path) -> Iterator[Client]:
    home = make_home(parent, model)
    yield Client(home, model.name)
    home.stop()
