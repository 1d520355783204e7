"""What the real accounts of the cache tell the journal, with a worker that lives in the test."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_cli.contract.live import HappeningKind
from omlx_daemon.cache.plan import CachePlan
from omlx_daemon.cache.service import CacheService
from omlx_daemon.cache.session import Session
from omlx_daemon.ledger.policy import Policy
from omlx_daemon.wire.cache import CacheCommand, Evicted, Quarantined, Reserve, Stored, WriteFailed
from tests.cachewire.test_service import GIB, SPACE, spec, store, until
from tests.notes import Notes


class Watched:
    """A service with one worker, and what it told."""

    def __init__(self, root: Path, policy: Policy) -> None:
        self.root = root
        self.notes = Notes()
        self.sent: list[CacheCommand] = []
        made = CachePlan(root, hot_bytes=1000, policy=policy)
        self.service = CacheService(
            made, lambda spec: SPACE[spec.name], lambda spec: 16, lambda: policy, journal=self.notes
        )

    async def start(self) -> Session:
        session = await self.service.open(spec("a"), GIB)
        session.connect(4_000_000, self.sent.append)
        return session

    async def store(self, session: Session, number: int) -> str:
        before = len(self.sent)
        session.take(Reserve(id=number, size_bytes=1_000_200))
        await until(lambda: len(self.sent) > before)
        filename, size_bytes = store(self.root, "a", number, 1_000_000)
        session.take(Stored(filename=filename, size_bytes=size_bytes))
        return filename

    def told(self) -> list[HappeningKind]:
        return [one.kind for one in self.notes.made]


def test_the_quota_the_hot_tier_and_damage_are_told_with_their_sizes(tmp_path: Path) -> None:
    async def inside() -> None:
        daemon = Watched(tmp_path, Policy(quota_bytes=3_000_000))
        session = await daemon.start()
        first = await daemon.store(session, 1)
        await daemon.store(session, 2)
        await daemon.store(session, 3)
        await until(lambda: Evicted(filenames=(first,)) in daemon.sent)
        [evicted] = daemon.notes.made
        assert (evicted.kind, evicted.model, evicted.number) == (HappeningKind.EVICTED, "a", 1)
        assert evicted.size_bytes > 1_000_000
        await until(lambda: daemon.service.live().tiers[1].evictions == 1)
        cold = daemon.service.live().tiers[1]
        assert (cold.parts, cold.limit_bytes) == (2, 3_000_000)
        assert 2_000_000 < cold.size_bytes <= 3_000_000
        for gone, on_ssd in ((3, 3), (3, 3), (7, 5)):
            tier = TierFigures(
                tier="hot", evictions=gone, evicted_bytes=gone * 100, spilled=on_ssd, spilled_bytes=on_ssd * 100
            )
            session.report(ModelCacheFigures(model="a", tiers=(tier,)))
        session.take(Quarantined(filename=first, reason="its checksum is wrong"))
        spilled = [one for one in daemon.notes.made if one.kind is HappeningKind.SPILLED]
        assert [(one.number, one.size_bytes) for one in spilled] == [(3, 300), (2, 200)]
        lost = [one for one in daemon.notes.made if one.message == "blocks of a left RAM, and are not on SSD"]
        assert [(one.kind, one.number, one.size_bytes) for one in lost] == [(HappeningKind.EVICTED, 2, 200)]
        assert daemon.told()[-1] is HappeningKind.QUARANTINED
        assert "its checksum is wrong" in daemon.notes.made[-1].message
        session.close()
        await daemon.service.close()

    asyncio.run(inside())


def test_a_directory_that_fails_and_works_again_is_told_of_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlx_daemon.cache.service.LOOK_S", 0.01)

    async def inside() -> None:
        daemon = Watched(tmp_path, Policy())
        session = await daemon.start()
        session.take(WriteFailed(errno=28, reason="No space left on device"))
        await until(lambda: daemon.told() == [HappeningKind.CACHE])
        assert "No space left on device" in daemon.notes.made[0].message
        upkeep = asyncio.create_task(daemon.service.run())
        await until(lambda: len(daemon.notes.made) == 2)
        upkeep.cancel()
        assert daemon.notes.made[1].message == "the cache directory works again"
        await until(lambda: daemon.service.live().state == "ok")
        session.close()
        await daemon.service.close()

    asyncio.run(inside())


def test_a_directory_that_cannot_be_used_at_all_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlx_daemon.cache.service.LOOK_S", 0.01)

    async def inside() -> None:
        root = tmp_path / "cache"
        root.write_text("a file in its place")
        daemon = Watched(root, Policy())
        upkeep = asyncio.create_task(daemon.service.run())
        await until(lambda: daemon.told() == [HappeningKind.CACHE])
        assert daemon.service.live().state == "degraded"
        root.unlink()
        await until(lambda: len(daemon.notes.made) == 2)
        upkeep.cancel()
        assert daemon.notes.made[1].message == "the cache directory works again"
        await daemon.service.close()

    asyncio.run(inside())
