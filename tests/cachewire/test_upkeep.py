"""What the daemon notices of its cache directory while nobody asks."""

from __future__ import annotations

import asyncio
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
    root = tmp_path / "cache"

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        upkeep = asyncio.create_task(daemon.service.run())
        files = []
        for number in (1, 2, 3):
            session.take(Reserve(id=number, size_bytes=100_000))
            filename, size_bytes = store(root, "a", number, 100_000)
            session.take(Stored(filename=filename, size_bytes=size_bytes))
            files.append(filename)
        await until(lambda: daemon.service.cold_totals[0] > 300_000)
        (root / "kv-v1" / SPACE["a"] / files[1][:2] / files[1]).unlink()
        await until(lambda: Evicted(filenames=(files[1],)) in daemon.sent["a"])
        await until(lambda: daemon.service.cold_totals[0] < 300_000)
        (root / "kv-v1").rename(tmp_path / "gone")
        await until(
            lambda: (
                {name for sent in daemon.sent["a"] if isinstance(sent, Evicted) for name in sent.filenames} == {*files}
            )
        )
        assert (await stats(daemon)).blocks == 0
        root.rename(tmp_path / "all gone")
        await until(lambda: (root / "kv-v1").exists())
        while (await stats(daemon)).state != "ok":
            await asyncio.sleep(0.001)
        upkeep.cancel()

    # What is renamed is gone at one moment: nobody comes upon half of it, or makes anew what is being removed.
    run(CachePlan(root, hot_bytes=10), test)


def test_workers_hear_what_is_pinned_in_another_directory_in_the_old_ones_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOOK_S", "UPKEEP_S"):
        monkeypatch.setattr(f"omlx_daemon.cache.service.{name}", 0.01)
    monkeypatch.setattr("omlx_daemon.ledger.health.RETRY_S", 0.0)
    old, new = bytes([1]) * 32, bytes([2]) * 32
    place, root = tmp_path / "place", tmp_path / "place" / "cache"
    for volume, digest in (("first", old), ("second", new)):
        ledger = Ledger.open(tmp_path / volume / "cache", Policy())
        ledger.pin("rules", SPACE["a"], (digest,))
        ledger.close()
    place.symlink_to("first")
    (tmp_path / "mounted").symlink_to("second")

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        assert session.start.pinned == (old,)
        upkeep = asyncio.create_task(daemon.service.run())
        (tmp_path / "mounted").replace(place)
        await until(lambda: PinBlocks(hashes=(new,)) in daemon.sent["a"])
        root.rename(tmp_path / "gone")
        await until(lambda: (root / "pins.json").exists())
        upkeep.cancel()
        assert [one for one in daemon.sent["a"] if isinstance(one, PinBlocks)] == [PinBlocks(hashes=(new,))]

    run(CachePlan(root, hot_bytes=10), test)
