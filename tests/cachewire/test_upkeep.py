"""What the daemon notices of its cache directory while nobody asks."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from omlx_daemon.cache.plan import CachePlan
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy
from omlx_daemon.wire.cache import Evicted, PinBlocks, Reserve, Stored
from tests.cachewire.test_service import SPACE, Daemon, run, stats, store, until


def test_workers_and_books_hear_of_what_others_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOOK_S", "UPKEEP_S"):
        monkeypatch.setattr(f"omlx_daemon.cache.service.{name}", 0.01)
    monkeypatch.setattr("omlx_daemon.ledger.upkeep._SCAN_PAUSES", 0)

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        upkeep = asyncio.create_task(daemon.service.run())
        files = []
        for number in (1, 2, 3):
            session.take(Reserve(id=number, size_bytes=100_000))
            filename, size_bytes = store(tmp_path, "a", number, 100_000)
            session.take(Stored(filename=filename, size_bytes=size_bytes))
            files.append(filename)
        await until(lambda: daemon.service.cold_totals[0] > 300_000)
        (tmp_path / "kv-v1" / SPACE["a"] / files[1][:2] / files[1]).unlink()
        await until(lambda: Evicted(filenames=(files[1],)) in daemon.sent["a"])
        await until(lambda: daemon.service.cold_totals[0] < 300_000)
        shutil.rmtree(tmp_path / "kv-v1")
        await until(
            lambda: (
                {name for sent in daemon.sent["a"] if isinstance(sent, Evicted) for name in sent.filenames} == {*files}
            )
        )
        assert (await stats(daemon)).blocks == 0
        shutil.rmtree(tmp_path)
        await until(lambda: (tmp_path / "kv-v1").exists())
        assert (await stats(daemon)).state == "ok"
        upkeep.cancel()

    run(CachePlan(tmp_path, hot_bytes=10), test)


def test_workers_hear_what_is_pinned_in_another_directory_in_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOOK_S", "UPKEEP_S"):
        monkeypatch.setattr(f"omlx_daemon.cache.service.{name}", 0.01)
    monkeypatch.setattr("omlx_daemon.ledger.health.RETRY_S", 0.0)
    old, new = bytes([1]) * 32, bytes([2]) * 32
    root, other = tmp_path / "cache", tmp_path / "other"
    for place, digest in ((root, old), (other, new)):
        ledger = Ledger.open(place, Policy())
        ledger.pin("rules", SPACE["a"], (digest,))
        ledger.close()

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        assert session.start.pinned == (old,)
        upkeep = asyncio.create_task(daemon.service.run())
        root.rename(tmp_path / "gone")
        other.rename(root)
        await until(lambda: PinBlocks(hashes=(new,)) in daemon.sent["a"])
        shutil.rmtree(root)
        await until(lambda: (root / "pins.json").exists())
        upkeep.cancel()
        assert [one for one in daemon.sent["a"] if isinstance(one, PinBlocks)] == [PinBlocks(hashes=(new,))]

    run(CachePlan(root, hot_bytes=10), test)
