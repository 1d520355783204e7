"""A small stand-in for the cache's port: it answers plainly and remembers what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import msgspec

from omlx_cli.contract.cache import (
    CacheList,
    CacheMetrics,
    CachePin,
    CachePinBody,
    CachePins,
    CacheRow,
    CacheStats,
    CacheWarm,
    CacheWarmBody,
    ModelCacheFigures,
    PruneBody,
    PrunedModel,
    PruneReport,
    TierFigures,
    VerifyBody,
    VerifyDone,
    VerifyEvent,
    VerifyProgress,
    VerifyReport,
)
from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.explain import ExplainReply, Explanation

ROWS = (
    CacheRow(model="sky", namespace="aa" * 16, blocks=3, size_bytes=3000),
    CacheRow(model="org/sky", namespace="bb" * 16, blocks=1, size_bytes=500, incompatible=True),
)
REPORT = PruneReport(files=3, size_bytes=3000, models=(PrunedModel(model="sky", files=3, size_bytes=3000),))
PIN = CachePin(label="agent", namespace="aa" * 16, model="sky", blocks=2, stored_bytes=2000)
ODD_MODEL = 'o"d\\d\nname{}'
METRICS = CacheMetrics(
    hot_size_mb=1.5,
    hit_rate=0.75,
    models=(
        ModelCacheFigures(
            model="sky",
            requested_tokens=1000,
            reused_hot_tokens=500,
            reused_cold_tokens=250,
            recomputed_tokens=250,
            saved_s=1.25,
            misses={"new": 2},
            tiers=(
                TierFigures(tier="hot", size_bytes=1_500_000, capacity_bytes=9_000_000, evictions=4),
                TierFigures(tier="cold", size_bytes=7, bytes_read=11, bytes_written=13, queued_parts=2, quarantined=1),
            ),
        ),
        ModelCacheFigures(model=ODD_MODEL, enabled=False, why_off="an unknown cache class"),
    ),
)


class PlainCache:
    """Implements `CacheAdmin`."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.verify_closed = False

    async def stats(self) -> CacheStats:
        """Return the books."""
        return CacheStats(path="/cache", used_bytes=3500, quota_bytes=10_000, namespaces=ROWS)

    def metrics(self) -> CacheMetrics:
        """Return the figures."""
        return METRICS

    async def rows(self, model: str, incompatible: bool) -> CacheList:
        """Return the rows that are asked for."""
        self.calls.append(("rows", model, incompatible))
        wanted = (row for row in ROWS if not model or row.model == model)
        return CacheList(namespaces=tuple(row for row in wanted if row.incompatible or not incompatible))

    async def prune(self, body: PruneBody) -> PruneReport:
        """Remember the call."""
        self.calls.append(("prune", body))
        return msgspec.structs.replace(REPORT, dry_run=body.dry_run)

    async def clear(self, model: str) -> PruneReport:
        """Remember the call; one model is not there."""
        self.calls.append(("clear", model))
        if model == "skyy":
            raise OmlxError(Code.MODEL_NOT_FOUND, "the cache holds nothing of skyy")
        return REPORT

    async def verify(self, body: VerifyBody) -> AsyncIterator[VerifyEvent]:
        """Play a verification; the sample tells how it goes."""
        if body.sample == 404:
            raise OmlxError(Code.CACHE_UNUSABLE, "there is no cache directory")
        try:
            yield VerifyProgress(checked=1, total=3)
            if body.sample == 13:
                raise RuntimeError("/secret/place")
            if body.sample == 28:
                raise OmlxError(Code.CACHE_UNUSABLE, "the disk went away")
            if body.sample == 99:
                await asyncio.Event().wait()
            yield VerifyDone(report=VerifyReport(checked=3, damaged=int(body.deep)))
        finally:
            self.verify_closed = True

    def explain(self, request_id: str, sees: Callable[[str], bool], *, reads: bool, may_act: bool) -> ExplainReply:
        """Explain the one request, to its client."""
        self.calls.append(("explain", request_id, reads, may_act))
        if not sees("ann"):
            raise OmlxError(Code.NOT_FOUND, f"nothing is remembered of a request {request_id!r}")
        return ExplainReply(explanation=Explanation(request="req_1.0", model="sky", client="ann"), requests=1)

    async def pins(self) -> CachePins:
        """Return the one pin."""
        return CachePins(pins=(PIN,))

    async def pin(self, body: CachePinBody) -> CachePin:
        """Remember the call."""
        self.calls.append(("pin", body))
        return PIN

    async def unpin(self, label: str) -> None:
        """Let the one pin go."""
        if label != PIN.label:
            raise OmlxError(Code.NOT_FOUND, f"there is no pin {label!r}")

    async def warm(self, body: CacheWarmBody) -> CacheWarm:
        """Remember the call."""
        self.calls.append(("warm", body))
        return CacheWarm(prompt_tokens=9, computed_tokens=4, seconds=0.5)

    async def export(self, model: str, path: str) -> PruneReport:
        """Remember the call."""
        self.calls.append(("export", model, path))
        return REPORT

    async def import_(self, path: str) -> PruneReport:
        """Remember the call."""
        self.calls.append(("import", path))
        return REPORT
