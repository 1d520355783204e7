"""The cache's figures as people read them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from omlx_cli.contract.cache import CacheMetrics, CacheRow, CacheStats, ModelCacheFigures, TierFigures
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.table import age, columns, pairs


def accounts(stats: CacheStats) -> str:
    """Return the SSD tier's books, a line a figure; those that are zero and say nothing are left out."""
    rows = [
        ("path", stats.path),
        ("state", stats.state if not stats.reason else f"{stats.state}: {stats.reason}"),
        ("used", _used(stats)),
        ("free", f"{format_bytes(stats.free_bytes)} on the volume, {format_bytes(stats.min_free_bytes)} stay free"),
        ("blocks", f"{stats.blocks} ({format_bytes(stats.block_bytes)})"),
        ("pins", _some(stats.pins, stats.pinned_bytes)),
        ("quarantined", _some(stats.quarantined_files, stats.quarantined_bytes)),
        ("foreign", _some(stats.foreign_files, stats.foreign_bytes)),
        ("other formats", format_bytes(stats.other_version_bytes) if stats.other_version_bytes else ""),
        ("temporary", format_bytes(stats.temporary_bytes) if stats.temporary_bytes else ""),
        ("written", _written(stats)),
        ("removed", _reasons(stats.evictions)),
        ("refused", _reasons(stats.refusals)),
    ]
    return pairs([row for row in rows if row[1]])


def namespaces(rows: Iterable[CacheRow]) -> str:
    """Return the table of `omlx cache ls`."""
    headers = ("MODEL", "BLOCKS", "SIZE", "PINNED", "USED", "STATE", "NAMESPACE")
    cells = [
        (
            row.model or "-",
            str(row.blocks),
            format_bytes(row.size_bytes),
            format_bytes(row.pinned_bytes) if row.pinned_bytes else "-",
            age(row.newest_at) or "-",
            _state(row),
            row.namespace if len(row.namespace) <= 16 else f"{row.namespace[:15]}…",
        )
        for row in rows
    ]
    return columns(headers, cells, right=("BLOCKS", "SIZE", "PINNED"))


def reuse(metrics: CacheMetrics) -> str:
    """Return in one line what the cache saved since the daemon started."""
    if not metrics.requested_tokens:
        return "no prompt has been asked for since the daemon started"
    return (
        f"{metrics.hit_rate:.1%} of {metrics.requested_tokens} prompt tokens were reused: "
        f"{metrics.reused_hot_tokens} from RAM, {metrics.reused_cold_tokens} from SSD; "
        f"{metrics.recomputed_tokens} were computed, {format_duration(metrics.saved_s)} saved"
    )


def tiers(models: Iterable[ModelCacheFigures]) -> str:
    """Return the table of both tiers of each model that was loaded."""
    headers = ("MODEL", "TIER", "SIZE", "OF", "REUSED", "EVICTED", "READ", "WRITTEN", "QUEUED")
    cells = [_tier(model.model, tier) for model in models for tier in model.tiers]
    return columns(headers, cells, right=headers[2:])


def uncached(models: Iterable[ModelCacheFigures]) -> list[str]:
    """Return a line for each model whose prefixes are not cached."""
    return [f"{model.model} is not cached: {model.why_off or 'switched off'}" for model in models if not model.enabled]


def _tier(model: str, tier: TierFigures) -> tuple[str, ...]:
    return (
        model,
        tier.tier,
        format_bytes(tier.size_bytes),
        format_bytes(tier.capacity_bytes) if tier.capacity_bytes else "-",
        f"{tier.reused_tokens} tokens",
        str(tier.evictions),
        format_bytes(tier.bytes_read),
        format_bytes(tier.bytes_written),
        format_bytes(tier.queued_bytes) if tier.queued_bytes else "-",
    )


def _used(stats: CacheStats) -> str:
    used = format_bytes(stats.used_bytes)
    if stats.quota_bytes is None:
        return f"{used}, no quota"
    share = f" ({stats.used_bytes / stats.quota_bytes:.0%})" if stats.quota_bytes else ""
    return f"{used} of {format_bytes(stats.quota_bytes)}{share}"


def _written(stats: CacheStats) -> str:
    if not stats.written_today_bytes and stats.write_budget_bytes is None:
        return ""
    budget = "" if stats.write_budget_bytes is None else f" of {format_bytes(stats.write_budget_bytes)}"
    return f"{format_bytes(stats.written_today_bytes)}{budget} today"


def _some(count: int, size_bytes: int) -> str:
    return f"{count} ({format_bytes(size_bytes)})" if count else ""


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} for {reason}" for reason, count in sorted(counts.items()) if count)


def _state(row: CacheRow) -> str:
    if row.in_use:
        return "in use"
    return "incompatible" if row.incompatible else "-"
