"""The sums of `GET /v1/cache/metrics`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from omlx_cli.contract.cache import CacheMetrics, ModelCacheFigures, TierFigures

_MB = 1_000_000


def metrics(models: Sequence[ModelCacheFigures], cold_bytes: int, cold_evictions: int) -> CacheMetrics:
    """Return the figures of all models and their sums; the cold tier's size and evictions are the ledger's."""
    tiers = [tier for model in models for tier in model.tiers]
    hot = [tier for tier in tiers if tier.tier == "hot"]
    requested = sum(model.requested_tokens for model in models)
    reused_hot = sum(model.reused_hot_tokens for model in models)
    reused_cold = sum(model.reused_cold_tokens for model in models)
    return CacheMetrics(
        hot_size_mb=_sum(hot, "size_bytes") / _MB,
        cold_size_mb=cold_bytes / _MB,
        hit_rate=(reused_hot + reused_cold) / requested if requested else 0.0,
        evictions=_sum(hot, "evictions") + cold_evictions,
        requested_tokens=requested,
        reused_hot_tokens=reused_hot,
        reused_cold_tokens=reused_cold,
        recomputed_tokens=sum(model.recomputed_tokens for model in models),
        saved_s=sum(model.saved_s for model in models),
        bytes_read=_sum(tiers, "bytes_read"),
        bytes_written=_sum(tiers, "bytes_written"),
        queue_depth=_sum(tiers, "queued_parts"),
        queued_bytes=_sum(tiers, "queued_bytes"),
        quarantined=_sum(tiers, "quarantined"),
        models=tuple(models),
    )


def _sum(tiers: Iterable[TierFigures], name: str) -> int:
    return sum(int(getattr(tier, name)) for tier in tiers)
