"""What a worker does with its write queue when it ends: flushes within its deadline, and says what it dropped."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from omlx_daemon.core.requests import CachePolicy
from omlx_daemon.worker.cache.writer import Writer
from tests.cachewire.test_engine import words
from tests.cachewire.test_recomputing import Granting, Stored


class Gate(Granting):
    """A ledger that grants nothing until it is opened."""

    def __init__(self) -> None:
        self.open = threading.Event()

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        self.open.wait()
        return size_bytes


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def fill(bench: Stored) -> None:
    bench.submit(words(1, 700), CachePolicy())
    bench.run()


def test_an_end_writes_all_that_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    bench = Stored("llama", tmp_path, gate)
    fill(bench)
    assert not list(bench.space.glob("??/*"))
    threading.Timer(0.2, gate.open.set).start()
    bench.cache.close(60)
    assert len(list(bench.space.glob("??/*"))) == 3
    assert warnings(caplog) == []


def test_an_end_whose_deadline_is_over_says_what_it_dropped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, clear = Gate(), Writer.clear

    def give_up(writer: Writer) -> None:
        clear(writer)
        gate.open.set()

    # What waits is given up first; only then does the writer come back from the ledger.
    monkeypatch.setattr(Writer, "clear", give_up)
    bench = Stored("llama", tmp_path, gate)
    fill(bench)
    bench.cache.close(0.01)
    (warning,) = warnings(caplog)
    assert warning.startswith("3 parts of prefixes (")
    assert warning.endswith(" MB) were not written in time and are dropped")
    assert len(list(bench.space.glob("??/*"))) <= 1, "only what was being written already"
