"""Restored equals recomputed at any lengths: of what was stored, what is shared, what follows, and prefill's chunks.

`OMLX_TEST_EXAMPLES=200` tries so many of each family of caches.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cache import tiny
from tests.cache.test_models import Worker, words

EXAMPLES = int(os.environ.get("OMLX_TEST_EXAMPLES", "4"))
BORDERS = (2, 128, 256, 300, 512, 600, 768)
"""Of blocks, and of the windows and chunks of the tiny models."""
LENGTH = st.builds(lambda border, off: max(1, border + off), st.sampled_from(BORDERS), st.integers(-2, 2))
CHUNKS = (100, 256, 512)


@pytest.mark.parametrize("name", tiny.CONFIGS)
@settings(max_examples=EXAMPLES, deadline=None, print_blob=True)
@given(stored=LENGTH, shared=LENGTH, more=st.integers(0, 40), chunk=st.sampled_from(CHUNKS), from_disk=st.booleans())
def test_an_answer_is_the_same_at_any_length(
    name: str, stored: int, shared: int, more: int, chunk: int, from_disk: bool
) -> None:
    first = words(1, stored)
    second = first[:shared] + words(2, more + shared - min(shared, stored))
    with tempfile.TemporaryDirectory() as folder:
        worker = Worker(name, Path(folder))
        worker.ask(first, chunk)
        if from_disk:
            assert worker.store.close(30).parts == 0
            worker = Worker(name, Path(folder), hot_bytes=0)
        answer, again = worker.ask(second, chunk), worker.ask(second, chunk)
        tiers = set(answer.restored.by_tier)
        off = worker.store.stats().off
        needs_checkpoints = worker.store.needs_checkpoints
        worker.store.close(30)
    assert off == ""
    assert answer.tokens == again.tokens == worker.compute(second, chunk)
    common = min(shared, stored, len(second) - 1)
    assert answer.restored.tokens <= common
    assert needs_checkpoints or answer.restored.tokens == common
    assert again.restored.tokens == len(second) - 1
    assert tiers <= {"cold" if from_disk else "hot"}
