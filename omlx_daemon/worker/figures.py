"""The store's figures as the daemon reports them."""

from __future__ import annotations

from omlx_cli.contract.cache import ModelCacheFigures, TierFigures
from omlx_daemon.worker.cache.stats import StoreStats
from omlx_daemon.worker.cache.tier import TierStats


def figures(model: str, stats: StoreStats) -> ModelCacheFigures:
    """Return what the cache did for `model` since the process started."""
    reused = stats.reused_tokens
    return ModelCacheFigures(
        model=model,
        enabled=not stats.off,
        why_off=stats.off,
        requested_tokens=stats.requested_tokens,
        reused_hot_tokens=reused.get("hot", 0),
        reused_cold_tokens=sum(reused.values()) - reused.get("hot", 0),
        recomputed_tokens=stats.recomputed_tokens,
        saved_s=stats.saved_s,
        misses=dict(stats.stops),
        tiers=tuple(_tier(tier, reused.get(tier.tier, 0)) for tier in stats.tiers),
    )


def _tier(stats: TierStats, reused_tokens: int) -> TierFigures:
    return TierFigures(
        tier=stats.tier,
        size_bytes=stats.size_bytes,
        capacity_bytes=stats.capacity_bytes,
        parts=stats.parts,
        reused_tokens=reused_tokens,
        evictions=stats.evictions,
        evicted_bytes=stats.evicted_bytes,
        spilled=stats.spilled,
        spilled_bytes=stats.spilled_bytes,
        stored=stats.stored,
        bytes_read=stats.bytes_read,
        bytes_written=stats.bytes_written,
        queued_parts=stats.queued_parts,
        queued_bytes=stats.queued_bytes,
        refused=stats.refused,
        dropped=stats.dropped,
        missing=stats.missing,
        quarantined=stats.quarantined,
        errors=stats.read_errors + stats.write_errors,
    )
