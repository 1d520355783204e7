"""The daemon's side of the cache, with workers that live in the test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from omlx_cli.contract.cache import CacheStats, ModelCacheFigures, TierFigures
from omlx_cli.contract.settings import CacheSettings
from omlx_daemon.cache.admin import Admin
from omlx_daemon.cache.plan import CachePlan, plan
from omlx_daemon.cache.service import CacheService
from omlx_daemon.cache.session import Session
from omlx_daemon.cache.tally import Tally
from omlx_daemon.coldstore import blockfile
from omlx_daemon.coldstore.names import BlockName, Part
from omlx_daemon.core.events import Event
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.core.requests import GenerationRequest
from omlx_daemon.ledger.ledger import Ledger
from omlx_daemon.ledger.policy import Policy, WritePolicy
from omlx_daemon.wire.cache import (
    Arrived,
    CacheCommand,
    ClearCache,
    DirectoryUsable,
    Evicted,
    GiveBack,
    Granted,
    PinBlocks,
    Reserve,
    ResizeHot,
    Stored,
    WriteFailed,
)

GIB = 1 << 30
SPACE = {"a": "aa" * 16, "b": "bb" * 16}


def spec(name: str) -> ModelSpec:
    return ModelSpec(name=name, path=f"/m/{name}", source="omlx", weights_bytes=1)


class Daemon:
    """A service whose workers' commands are kept."""

    def __init__(self, made: CachePlan) -> None:
        self.service = CacheService(made, lambda spec: SPACE[spec.name], lambda spec: 16)
        self.sent: dict[str, list[CacheCommand]] = {}

    async def start(self, name: str, room_bytes: int = GIB) -> Session:
        session = await self.service.open(spec(name), room_bytes)
        self.sent[name] = []
        session.connect(4_000_000, self.sent[name].append)
        return session

    async def tries_again(self) -> None:
        """Wait until the directory is tried once more."""
        tried = self.service._opened
        await until(lambda: self.service._opened is not tried)


def run(made: CachePlan, test: Callable[[Daemon], Awaitable[None]]) -> None:
    async def main() -> None:
        daemon = Daemon(made)
        daemon.service.begin()
        try:
            await test(daemon)
        finally:
            await daemon.service.close()

    asyncio.run(main())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def store(root: Path, name: str, number: int, size_bytes: int) -> tuple[str, int]:
    """Write a block as a worker does; return its file's name and size."""
    block = BlockName(bytes([number]) * 32, bytes(8), 256, Part.TOKENS)
    tensor = blockfile.Tensor("t0.k", "U8", (size_bytes,), bytes(size_bytes))
    return block.filename, blockfile.write(root / "kv-v1" / SPACE[name], block, [tensor], {})


def test_settings_become_numbers(tmp_path: Path) -> None:
    made = plan(CacheSettings(), tmp_path / "cache", 100 * GIB, lambda root: 1000 * GIB)
    assert (made.root, made.hot_bytes, made.policy.quota_bytes) == (tmp_path / "cache", 10 * GIB, 100 * GIB)
    assert (made.policy.min_free_bytes, made.policy.per_model_share, made.has_cold) == (50 * GIB, 1.0, True)
    settings = CacheSettings(
        dir=str(tmp_path / "x"), hot_max_size="8GiB", cold_max_size="20%", max_model_share="25%", write_budget="1GiB",
        write_policy="second-hit", max_age="7d", min_free="0", fsync=True,
    )  # fmt: skip
    made = plan(settings, tmp_path / "cache", 100 * GIB, lambda root: 1000 * GIB)
    assert (made.root, made.hot_bytes, made.fsync, made.second_hit) == (tmp_path / "x", 8 * GIB, True, True)
    assert made.policy == Policy(
        quota_bytes=200 * GIB,
        min_free_bytes=0,
        max_age_s=7 * 86400,
        per_model_share=0.25,
        write_budget_bytes_per_day=GIB,
        write_policy=WritePolicy.SECOND_HIT,
    )
    assert not plan(CacheSettings(cold_max_size="0"), tmp_path, GIB, lambda root: GIB).has_cold
    elsewhere = plan(CacheSettings(dir="~/x"), tmp_path / "cache", GIB)
    assert (elsewhere.root, elsewhere.base) == (Path.home() / "x", None)
    inside = plan(CacheSettings(dir="a/b"), tmp_path / "cache", GIB)
    assert (inside.root, inside.base) == (tmp_path / "a" / "b", tmp_path)
    assert plan(CacheSettings(), tmp_path / "cache", GIB).base == tmp_path


def test_a_worker_reserves_stores_and_hears_of_evictions(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        assert (session.start.directory, session.start.hot_max_bytes) == (str(tmp_path), 1000)
        files: list[str] = []
        for number in range(1, 4):
            session.take(Reserve(id=number, size_bytes=1_000_200))
            await until(lambda: len(granted(daemon)) > len(files))
            filename, size_bytes = store(tmp_path, "a", number, 1_000_000)
            session.take(Stored(filename=filename, size_bytes=size_bytes))
            files.append(filename)
        assert granted(daemon) == [Granted(id=number, size_bytes=1_000_200) for number in (1, 2, 3)]
        await until(lambda: Evicted(filenames=(files[0],)) in daemon.sent["a"])
        await until(lambda: daemon.service.cold_totals[0] > 2_000_000)
        assert daemon.service.cold_totals[0] <= 3_000_000
        session.take(Reserve(id=4, size_bytes=10_000_000))
        await until(lambda: Granted(id=4, size_bytes=0) in daemon.sent["a"])

        session.take(Reserve(id=5, size_bytes=100_000))
        await until(lambda: Granted(id=5, size_bytes=100_000) in daemon.sent["a"])
        assert (await stats(daemon)).reserved_bytes >= 100_000
        session.take(GiveBack(size_bytes=100_000))
        session.close()
        session.close()
        assert (await stats(daemon)).reserved_bytes == 0
        assert not list(daemon.service.sessions())

    run(CachePlan(tmp_path, hot_bytes=1000, policy=Policy(quota_bytes=3_000_000)), test)


def granted(daemon: Daemon) -> list[CacheCommand]:
    return [command for command in daemon.sent["a"] if isinstance(command, Granted)]


async def stats(daemon: Daemon) -> CacheStats:
    ledger = await daemon.service.ledger()
    assert ledger is not None
    return await daemon.service.desk.run(ledger.stats)


def test_a_command_knows_of_all_that_workers_have_told(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        session.take(Reserve(id=1, size_bytes=1200))
        await until(lambda: granted(daemon))
        behind = threading.Event()
        daemon.service.desk.post(behind.wait)
        filename, size_bytes = store(tmp_path, "a", 1, 1000)
        session.take(Stored(filename=filename, size_bytes=size_bytes))
        admin = Admin(daemon.service, NobodyAsks(), spec, dict)
        clearing = asyncio.create_task(admin.clear(""))
        await asyncio.wait([clearing], timeout=0.2)
        behind.set()
        assert (await clearing).files == 1
        assert not list(tmp_path.rglob("*.safetensors"))

    run(CachePlan(tmp_path), test)


class NobodyAsks:
    """An inference without requests."""

    def generate(self, request: GenerationRequest) -> AsyncIterator[Event]:
        raise AssertionError("nobody asks")


def test_one_budget_of_memory_is_shared_by_the_models_that_are_loaded(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        first = await daemon.start("a")
        assert first.start.hot_max_bytes == 1000
        second = await daemon.start("b")
        assert (first.start.hot_max_bytes, second.start.hot_max_bytes) == (500, 500)
        assert daemon.sent["a"] == [ResizeHot(capacity_bytes=500, keep_unsaved=True)]
        second.close()
        assert daemon.sent["a"][1:] == [ResizeHot(capacity_bytes=1000, keep_unsaved=True)]
        first.clear()
        first.pin((b"x" * 32,))
        assert daemon.sent["a"][2:] == [ClearCache(), PinBlocks(hashes=(b"x" * 32,))]
        assert first.start.pinned == (b"x" * 32,)
        narrow = await daemon.start("b", room_bytes=300)
        assert (first.start.hot_max_bytes, narrow.start.hot_max_bytes) == (850, 150)

    run(CachePlan(tmp_path, hot_bytes=1000), test)


def test_a_disk_that_fails_a_worker_is_degraded_until_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlx_daemon.cache.service.LOOK_S", 0.01)

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        session.take(WriteFailed(errno=28, reason="No space left on device"))
        found = await stats(daemon)
        assert (found.state, found.reason) == ("degraded", "writing a block: No space left on device")
        session.take(Reserve(id=1, size_bytes=1000))
        await until(lambda: Granted(id=1) in daemon.sent["a"])
        upkeep = asyncio.create_task(daemon.service.run())
        ledger = await daemon.service.ledger()
        assert ledger is not None
        await until(lambda: not ledger.degraded)
        upkeep.cancel()
        session.take(Reserve(id=2, size_bytes=1000))
        await until(lambda: Granted(id=2, size_bytes=1000) in daemon.sent["a"])

    run(CachePlan(tmp_path), test)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_a_directory_that_cannot_be_used_at_the_start_comes_into_use_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("omlx_daemon.cache.service.LOOK_S", 0.01)
    monkeypatch.setattr("omlx_daemon.cache.session.ARRIVED_FILES", 2)
    place, root = tmp_path / "place", tmp_path / "place" / "cache"
    place.symlink_to("nowhere")
    volume = tmp_path / "volume" / "cache"
    (volume / "kv-v1" / SPACE["a"]).mkdir(parents=True)
    files = dict(store(volume, "a", number, 1000) for number in (1, 2, 3))
    (tmp_path / "mounted").symlink_to("volume")

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        assert (session.start.waiting, session.start.directory, session.namespace) == (True, str(root), "")
        upkeep = asyncio.create_task(daemon.service.run())
        session.take(Reserve(id=1, size_bytes=1000))
        assert daemon.sent["a"] == [Granted(id=1)]
        assert "cannot be used" in daemon.service.why_no_cold
        await daemon.tries_again()
        await daemon.tries_again()
        (tmp_path / "mounted").replace(place)
        await until(lambda: session.namespace and not session.start.waiting)
        upkeep.cancel()
        begin, first, second, pinned = daemon.sent["a"][1:]
        assert (begin, pinned) == (DirectoryUsable(), PinBlocks())
        assert isinstance(first, Arrived)
        assert isinstance(second, Arrived)
        assert (len(first.files), dict([*first.files, *second.files])) == (2, files)
        session.take(Reserve(id=2, size_bytes=1000))
        await until(lambda: Granted(id=2, size_bytes=1000) in daemon.sent["a"])
        session.close()
        assert (await stats(daemon)).reserved_bytes == 0
        assert daemon.service.why_no_cold == ""
        assert not (await daemon.start("b")).start.waiting
        assert [line.partition(":")[0] for line in warnings(caplog)] == [
            "the KV cache is in memory alone",
            f"the KV cache is on disk too, now that {root} can be used",
        ]

    run(CachePlan(root, hot_bytes=10), test)


def test_a_directory_is_taken_over_once_the_daemon_that_held_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("omlx_daemon.cache.service.LOOK_S", 0.01)
    other = Ledger.open(tmp_path, Policy())

    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        upkeep = asyncio.create_task(daemon.service.run())
        for _ in range(3):
            await daemon.tries_again()
            assert session.start.waiting
        assert "in use by another process" in daemon.service.why_no_cold
        other.attach("theirs", SPACE["a"], "a", {})
        filename, size_bytes = store(tmp_path, "a", 1, 1000)
        other.stored("theirs", SPACE["a"], filename, size_bytes)
        other.close()
        await until(lambda: Arrived(files=((filename, size_bytes),)) in daemon.sent["a"])
        upkeep.cancel()
        assert len(warnings(caplog)) == 2

    run(CachePlan(tmp_path), test)


def test_a_worker_that_ends_while_the_directory_comes_into_use_leaves_nothing(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        other = Ledger.open(tmp_path, Policy())
        session = await daemon.start("a")
        other.close()
        ledger = await asyncio.to_thread(Ledger.open, tmp_path, Policy())
        adopting = asyncio.create_task(session.adopt(ledger))
        await asyncio.sleep(0)
        session.close()
        await adopting
        assert not any(row.in_use for row in (await daemon.service.desk.run(ledger.rows)).namespaces)
        ledger.close()

    run(CachePlan(tmp_path), test)


def test_without_a_cold_tier_every_reservation_is_refused(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        assert (session.start.enabled, session.start.directory, session.namespace) == (True, "", "")
        session.take(Reserve(id=1, size_bytes=1000))
        assert daemon.sent["a"] == [Granted(id=1)]
        assert not (tmp_path / "cache").exists()

    run(CachePlan(tmp_path / "cache", hot_bytes=10, policy=Policy(quota_bytes=0)), test)


def test_figures_outlive_workers() -> None:
    def figures(requested: int, reused: int, size_bytes: int) -> ModelCacheFigures:
        tier = TierFigures(tier="hot", size_bytes=size_bytes, reused_tokens=reused, stored=1)
        return ModelCacheFigures(
            model="a", requested_tokens=requested, reused_hot_tokens=reused, misses={"no entry": 1}, tiers=(tier,)
        )

    tally = Tally()
    tally.report("a 1", figures(50, 0, 5))
    tally.report("a 1", figures(100, 10, 7))
    tally.close("a 1")
    tally.close("a 1")
    assert tally.rows()[0].tiers[0].size_bytes == 0
    tally.report("a 2", figures(30, 20, 9))
    (row,) = tally.rows()
    assert (row.requested_tokens, row.reused_hot_tokens, row.misses) == (130, 30, {"no entry": 2})
    assert (row.tiers[0].size_bytes, row.tiers[0].reused_tokens, row.tiers[0].stored) == (9, 30, 2)
    tally.report("b 1", msgspec.structs.replace(figures(1, 1, 1), model="b"))
    assert [found.model for found in tally.rows()] == ["a", "b"]
