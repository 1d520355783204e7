"""The cache as a dashboard sees it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_cli.contract.live import LiveCache, LiveTier
from omlx_daemon.cache.plan import CachePlan
from omlx_daemon.ledger.figures import ColdFigures


def picture(
    plan: CachePlan, models: Sequence[ModelCacheFigures], cold: ColdFigures, hot_budget_bytes: int, trouble: str
) -> LiveCache:
    """Return the sums over all models; `trouble` is why there is no cold tier now. Rates are the caller's to fill."""
    return LiveCache(
        state=_state(plan, trouble),
        reason=trouble if plan.enabled else "cache.enabled is false",
        tiers=(_hot(models, hot_budget_bytes), _cold(models, cold)),
        requested_tokens=sum(model.requested_tokens for model in models),
        recomputed_tokens=sum(model.recomputed_tokens for model in models),
        saved_s=round(sum(model.saved_s for model in models), 3),
        free_bytes=cold.free_bytes,
        min_free_bytes=cold.min_free_bytes,
        written_today_bytes=cold.written_today_bytes,
        write_budget_bytes=cold.write_budget_bytes,
        quarantined=cold.quarantined,
        models=tuple(models),
    )


def _state(plan: CachePlan, trouble: str) -> str:
    if not plan.has_cold:
        return "off"
    return "degraded" if trouble else "ok"


def _hot(models: Iterable[ModelCacheFigures], limit_bytes: int) -> LiveTier:
    models = list(models)
    tiers = _tiers(models, "hot")
    return LiveTier(
        tier="hot",
        size_bytes=sum(tier.size_bytes for tier in tiers),
        limit_bytes=limit_bytes,
        parts=sum(tier.parts for tier in tiers),
        reused_tokens=sum(model.reused_hot_tokens for model in models),
        evictions=sum(tier.evictions for tier in tiers),
    )


def _cold(models: Iterable[ModelCacheFigures], cold: ColdFigures) -> LiveTier:
    models = list(models)
    tiers = _tiers(models, "cold")
    return LiveTier(
        tier="cold",
        size_bytes=cold.used_bytes,
        limit_bytes=cold.quota_bytes,
        parts=cold.blocks,
        reused_tokens=sum(model.reused_cold_tokens for model in models),
        evictions=cold.evictions,
        read_bytes=sum(tier.bytes_read for tier in tiers),
        written_bytes=sum(tier.bytes_written for tier in tiers),
        queued_parts=sum(tier.queued_parts for tier in tiers),
        queued_bytes=sum(tier.queued_bytes for tier in tiers),
    )


def _tiers(models: Iterable[ModelCacheFigures], name: str) -> list[TierFigures]:
    return [tier for model in models for tier in model.tiers if tier.tier == name]
