"""Who tells the journal what: requests, models, the cache, memory."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from omlx_cli.contract.api import RequestPhase, StuckWorker
from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_cli.contract.errors import Code, ErrorBody
from omlx_cli.contract.live import HappeningKind
from omlx_daemon.cache.live import picture
from omlx_daemon.cache.plan import CachePlan
from omlx_daemon.cache.telling import Telling
from omlx_daemon.core.events import Failed, Finished, FinishReason, Prefill, Queued, Terminal, Text, Usage
from omlx_daemon.ledger.figures import ColdFigures
from omlx_daemon.ledger.policy import Policy, Reason, Removed
from omlx_daemon.pool import told
from omlx_daemon.pool.live import LiveRequests
from tests.live.test_journal import Clock
from tests.notes import Note, Notes
from tests.pool.doubles import request


def failed(code: Code) -> Failed:
    return Failed(error=ErrorBody(code=code, message="because"))


@pytest.mark.parametrize(
    ("terminal", "kind", "message"),
    [
        (
            Finished(
                reason=FinishReason.STOP,
                usage=Usage(prompt_tokens=900, completion_tokens=7, cached_hot_tokens=256, cached_cold_tokens=512),
            ),
            HappeningKind.FINISHED, "900 in (256 from RAM, 512 from SSD), 7 out (m)",
        ),
        (failed(Code.GENERATION_FAILED), HappeningKind.FAILED, "m: because"),
        (failed(Code.TIMEOUT), HappeningKind.FAILED, "m: because"),
        (failed(Code.MEMORY_BUSY), HappeningKind.REFUSED, "because"),
        (failed(Code.CANCELLED), HappeningKind.CANCELLED, "m: because"),
        (None, HappeningKind.CANCELLED, "m: the client left"),
    ],
)  # fmt: skip
def test_how_a_request_ended(terminal: Terminal | None, kind: HappeningKind, message: str) -> None:
    notes = Notes()
    told.ended(notes, "r", "m", terminal)
    assert notes.made == [Note(kind, message, "m", "r", 1, 0)]


@pytest.mark.parametrize(
    ("code", "unwanted", "kind"),
    [
        (Code.INSUFFICIENT_MEMORY, False, HappeningKind.REFUSED),
        (Code.WORKER_CRASHED, False, HappeningKind.CRASHED),
        (Code.LOAD_FAILED, False, HappeningKind.CRASHED),
        (Code.CANCELLED, True, HappeningKind.UNLOADED),
    ],
)
def test_a_load_that_came_to_nothing(code: Code, unwanted: bool, kind: HappeningKind) -> None:
    notes = Notes()
    told.not_loaded(notes, "m", failed(code).error, unwanted=unwanted)
    assert [(one.kind, one.model) for one in notes.made] == [(kind, "m")]
    assert "because" in notes.made[0].message


def test_a_stuck_worker() -> None:
    notes = Notes()
    told.stuck(notes, StuckWorker(model="m", pid=1, request="r", stuck_s=61.2))
    assert notes.made == [Note(HappeningKind.STUCK, "m is stuck: no step for 61 s", "m", "r", 1, 0)]


def test_a_row_knows_what_was_reused_and_how_fast_it_is() -> None:
    async def inside() -> None:
        clock, notes = Clock(), Notes()
        requests = LiveRequests(clock, notes)
        live = requests.open(request("r"), "m")
        clock.now_s += 1.0
        live.note(Queued(prompt_tokens=1000))
        live.note(Prefill(done_tokens=600, total_tokens=1000, cached_hot_tokens=512, cached_cold_tokens=88))
        [row] = requests.rows()
        assert (row.phase, row.cached_hot_tokens, row.cached_cold_tokens, row.tokens_per_s) == (
            RequestPhase.PREFILL, 512, 88, 0.0,
        )  # fmt: skip
        clock.now_s += 2.0
        live.note(Prefill(done_tokens=1000, total_tokens=1000, cached_hot_tokens=512, cached_cold_tokens=88))
        assert requests.rows()[0].tokens_per_s == 200.0
        assert requests.rows()[0].ttft_s is None
        live.note(Text(text="a", token_ids=(1,)))
        assert (requests.rows()[0].ttft_s, requests.rows()[0].tokens_per_s) == (3.0, 0.0)
        for _ in range(100):
            clock.now_s += 0.1
            live.note(Text(text="a", token_ids=(1, 2)))
        [row] = requests.rows()
        assert (row.tokens, row.tokens_per_s, row.ttft_s) == (201, 20.0, 3.0)
        clock.now_s += 100.0
        assert requests.rows()[0].tokens_per_s < 1.0
        requests.close(live)
        assert [(one.kind, one.request) for one in notes.made] == [(HappeningKind.CANCELLED, "r")]

    asyncio.run(inside())


def test_what_left_the_disk_is_told_by_model_and_reason() -> None:
    notes = Notes()
    Telling(notes).removed(
        [
            Removed("n", "f1", 10, Reason.QUOTA, "m"),
            Removed("n", "f2", 20, Reason.QUOTA, "m"),
            Removed("o", "f3", 5, Reason.QUOTA, "other"),
            Removed("n", "f4", 1, Reason.PRUNE, "m"),
            Removed("n", "f5", 1, Reason.DISCARD, "m"),
        ]
    )
    assert [(one.kind, one.model, one.number, one.size_bytes) for one in notes.made] == [
        (HappeningKind.EVICTED, "m", 2, 30),
        (HappeningKind.EVICTED, "other", 1, 5),
        (HappeningKind.PRUNED, "m", 1, 1),
    ]
    assert notes.made[0].message == "blocks of m left SSD: the cache is at cache.cold_max_size"


def test_what_left_memory_is_spilled_only_where_it_lies_on_disk() -> None:
    notes = Notes()
    telling = Telling(notes)
    telling.left_ram("m", 3, 300, is_kept=True)
    telling.left_ram("m", 3, 300, is_kept=False)
    assert [(one.kind, one.number, one.size_bytes) for one in notes.made] == [
        (HappeningKind.SPILLED, 3, 300), (HappeningKind.EVICTED, 3, 300),
    ]  # fmt: skip


def test_trouble_is_told_when_it_comes_and_when_it_goes() -> None:
    notes = Notes()
    telling = Telling(notes)
    for reason in ("", "disk full", "disk full", "still full", "", ""):
        telling.trouble(reason)
    assert [one.message for one in notes.made] == [
        "the cache works in RAM alone: disk full", "the cache directory works again",
    ]  # fmt: skip


def test_the_picture_of_the_cache_sums_over_models() -> None:
    def figures(model: str, scale: int) -> ModelCacheFigures:
        return ModelCacheFigures(
            model=model, requested_tokens=100 * scale, reused_hot_tokens=30 * scale, reused_cold_tokens=20 * scale,
            recomputed_tokens=50 * scale, saved_s=1.5 * scale,
            tiers=(
                TierFigures(tier="hot", size_bytes=10 * scale, parts=scale, evictions=2 * scale),
                TierFigures(tier="cold", bytes_read=7 * scale, bytes_written=8 * scale, queued_parts=scale),
            ),
        )  # fmt: skip

    cold = ColdFigures(used_bytes=99, quota_bytes=1000, blocks=4, evictions=5, quarantined=1, free_bytes=12)
    plan = CachePlan(root=Path("/c"), policy=Policy(quota_bytes=1000))
    found = picture(plan, [figures("a", 1), figures("b", 2)], cold, 500, "")
    hot, ssd = found.tiers
    assert (found.state, found.requested_tokens, found.recomputed_tokens, found.saved_s) == ("ok", 300, 150, 4.5)
    assert (hot.size_bytes, hot.limit_bytes, hot.parts, hot.reused_tokens, hot.evictions) == (30, 500, 3, 90, 6)
    assert (ssd.size_bytes, ssd.limit_bytes, ssd.parts, ssd.reused_tokens, ssd.evictions) == (99, 1000, 4, 60, 5)
    assert (ssd.read_bytes, ssd.written_bytes, ssd.queued_parts) == (21, 24, 3)
    assert (found.free_bytes, found.quarantined) == (12, 1)
    assert picture(plan, [], cold, 500, "disk full").state == "degraded"
    off = CachePlan(root=Path("/c"), enabled=False)
    assert (picture(off, [], cold, 0, "x").state, picture(off, [], cold, 0, "x").reason) == (
        "off", "cache.enabled is false",
    )  # fmt: skip
