"""Waiting for what must come true, without a sleep that guesses."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path


def wait_until(
    holds: Callable[[], bool], timeout_s: float = 60.0, *, why_not: Callable[[], str] = lambda: "it never came true"
) -> None:
    """Return when `holds` is true. Raises AssertionError with what `why_not` says where it does not come true."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, why_not()
        time.sleep(0.01)


def delete(folder: Path) -> None:
    """Delete a folder into which somebody may be writing at this moment: again until it is gone, as people do."""
    wait_until(lambda: _is_deleted(folder))


def _is_deleted(folder: Path) -> bool:
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()
