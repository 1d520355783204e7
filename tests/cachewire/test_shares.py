"""The memory for blocks: how it is shared out, and that shrinking it loses nothing."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_daemon.cache.plan import CachePlan
from omlx_daemon.cache.shares import HALF_LIFE_S, Holder, Use, shares
from omlx_daemon.ledger.policy import Policy
from omlx_daemon.wire.cache import ResizeHot
from tests.cachewire.test_service import Daemon, run

HOLDERS = st.lists(
    st.builds(
        Holder, size_bytes=st.integers(0, 1000), capacity_bytes=st.integers(0, 1000),
        bound_bytes=st.integers(0, 2000), use=st.floats(0, 1e9),
    ),
    min_size=1, max_size=6,
)  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 5000), HOLDERS)
def test_shares_stay_in_the_budget_and_in_everyones_bound_and_use_it_up(budget: int, holders: list[Holder]) -> None:
    given_ = shares(budget, holders)
    assert all(0 <= share <= holder.bound_bytes for share, holder in zip(given_, holders, strict=True))
    assert sum(given_) <= budget
    # What is left over by rounding is less than a byte a model and a round.
    assert sum(given_) >= min(budget, sum(holder.bound_bytes for holder in holders)) - 4 * len(holders)


def full(use: float) -> Holder:
    return Holder(size_bytes=500, capacity_bytes=500, bound_bytes=10_000, use=use)


def test_the_one_that_is_asked_more_gets_more() -> None:
    assert shares(1000, [full(300), full(100)]) == [750, 250]
    assert shares(1000, [full(0), full(0)]) == [500, 500]
    busy, idle = shares(1000, [full(1000), full(0)])
    assert busy > 900
    assert idle > 0


def test_what_one_cannot_fill_the_other_gets() -> None:
    nearly_empty = Holder(size_bytes=10, capacity_bytes=500, bound_bytes=10_000, use=1000)
    assert shares(800, [nearly_empty, full(1000)]) == [100, 700]
    small = Holder(size_bytes=10, capacity_bytes=10, bound_bytes=10, use=1000)
    assert shares(1000, [small, full(1)]) == [10, 990]


def test_use_fades() -> None:
    use = Use()
    use.note(1000, 0.0)
    assert use.at(HALF_LIFE_S) == pytest.approx(500)
    use.note(1100, HALF_LIFE_S)
    assert use.at(HALF_LIFE_S) == pytest.approx(600)
    use.note(0, HALF_LIFE_S)
    assert use.at(2 * HALF_LIFE_S) == pytest.approx(300)


def test_shares_follow_use_and_the_budget_while_workers_run(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        first, second = await daemon.start("a"), await daemon.start("b")
        figures = ModelCacheFigures(
            model="a", requested_tokens=10_000, tiers=(TierFigures(tier="hot", size_bytes=16_000),)
        )
        first.report(figures)
        daemon.service.limit_hot(1 << 40)
        assert daemon.service.hot_budget_bytes == 32_000
        assert first.start.hot_max_bytes > 24_000 > 8_000 > second.start.hot_max_bytes > 0
        daemon.service.limit_hot(8_500)
        assert daemon.service.hot_budget_bytes == 8_000
        assert first.start.hot_max_bytes + second.start.hot_max_bytes <= 8_000
        assert daemon.sent["a"][-1] == ResizeHot(capacity_bytes=first.start.hot_max_bytes, keep_unsaved=True)
        told = len(daemon.sent["a"])
        daemon.service.limit_hot(8_900)
        assert len(daemon.sent["a"]) == told + 1, "it still holds more and is told again"
        first.report(msgspec.structs.replace(figures, tiers=(TierFigures(tier="hot", size_bytes=5_000),)))
        daemon.service.limit_hot(8_900)
        assert len(daemon.sent["a"]) == told + 1
        daemon.service.limit_hot(0)
        assert first.start.hot_max_bytes == second.start.hot_max_bytes == 0
        daemon.service.limit_hot(1 << 40)
        assert first.start.hot_max_bytes > 24_000

    run(CachePlan(tmp_path, hot_bytes=32_000), test)


def test_without_a_disk_blocks_go_only_where_a_load_needs_the_room(tmp_path: Path) -> None:
    async def test(daemon: Daemon) -> None:
        session = await daemon.start("a")
        session.report(ModelCacheFigures(model="a", tiers=(TierFigures(tier="hot", size_bytes=16_000),)))
        daemon.service.limit_hot(8_000)
        assert session.start.hot_max_bytes == 16_000, "what it has, and no more"
        daemon.service.limit_hot(8_000, losing=True)
        assert session.start.hot_max_bytes == 8_000
        assert daemon.sent["a"][-1] == ResizeHot(capacity_bytes=8_000, keep_unsaved=False)

    run(CachePlan(tmp_path, hot_bytes=32_000, policy=Policy(quota_bytes=0)), test)
