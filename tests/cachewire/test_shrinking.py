"""A worker's blocks in memory make way without being lost."""

from __future__ import annotations

from pathlib import Path

from omlx_daemon.wire.cache import CacheStart, ResizeHot
from omlx_daemon.worker.cache.tier import TierStats
from omlx_daemon.worker.prefixcache import PrefixCache, open_cache
from tests.cache.fakes import FakeCodec, FakeLedger, peek, serve
from tests.waiting import wait_until

PROMPT = list(range(4000, 4000 + 8 * 256 + 1))
BLOCK_BYTES = 1024


def cache_in(root: Path, ledger: FakeLedger, codec: FakeCodec) -> PrefixCache:
    start = CacheStart(enabled=True, namespace="aa" * 16, directory=str(root), hot_max_bytes=1 << 20)
    return open_cache(start, "a", codec, "arrays", "", ledger, wake=lambda: None)


def hot(cache: PrefixCache) -> TierStats:
    return next(tier for tier in cache.store.stats().tiers if tier.tier == "hot")


def cold(cache: PrefixCache) -> TierStats:
    return next(tier for tier in cache.store.stats().tiers if tier.tier == "cold")


def test_blocks_that_are_on_disk_make_way_and_stay_reusable(tmp_path: Path) -> None:
    codec = FakeCodec()
    cache = cache_in(tmp_path, FakeLedger(), codec)
    serve(cache.store, PROMPT, codec.needs)
    wait_until(lambda: cold(cache).parts == hot(cache).parts)
    assert hot(cache).parts >= 8
    cache.obey(ResizeHot(capacity_bytes=2 * BLOCK_BYTES, keep_unsaved=True))
    assert hot(cache).size_bytes <= 2 * BLOCK_BYTES == hot(cache).capacity_bytes
    assert peek(cache.store, PROMPT).position >= 8 * 256
    cache.obey(ResizeHot(capacity_bytes=1 << 20, keep_unsaved=True))
    assert hot(cache).capacity_bytes == 1 << 20
    cache.close(0)


def test_blocks_that_lie_nowhere_else_stay(tmp_path: Path) -> None:
    codec = FakeCodec()
    cache = cache_in(tmp_path, FakeLedger(grant_bytes=0), codec)
    serve(cache.store, PROMPT, codec.needs)
    wait_until(lambda: cold(cache).write_errors > 0)
    before = hot(cache)
    cache.obey(ResizeHot(capacity_bytes=0, keep_unsaved=True))
    assert (hot(cache).parts, hot(cache).size_bytes) == (before.parts, before.size_bytes)
    assert hot(cache).capacity_bytes == before.size_bytes
    assert peek(cache.store, PROMPT).position >= 8 * 256
    cache.obey(ResizeHot(capacity_bytes=0))
    assert hot(cache).size_bytes == 0
    assert cache.store.stats().tiers[0].evictions == before.parts
    cache.close(0)


def test_only_what_was_written_makes_way(tmp_path: Path) -> None:
    codec = FakeCodec()
    cache = cache_in(tmp_path, FakeLedger(grant_bytes=4 * BLOCK_BYTES), codec)
    serve(cache.store, PROMPT, codec.needs)
    wait_until(lambda: cold(cache).write_errors > 0)
    before = hot(cache).parts
    cache.obey(ResizeHot(capacity_bytes=0, keep_unsaved=True))
    assert 0 < hot(cache).parts < before
    files = list(tmp_path.rglob("*.safetensors"))
    assert len(files) + hot(cache).parts >= before
    assert peek(cache.store, PROMPT).position >= 8 * 256
    cache.close(0)
