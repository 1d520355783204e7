"""The accounts as people and programs are shown them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from omlx_cli.contract.cache import CachePin, CacheRow, PrunedModel, PruneReport
from omlx_daemon.ledger.eviction import Victim
from omlx_daemon.ledger.pins import Pin
from omlx_daemon.ledger.prune import is_incompatible
from omlx_daemon.ledger.space import Space


def row(space: Space, current: Collection[str] | None) -> CacheRow:
    """Return a namespace's row; with `current` None every namespace of this format counts as compatible."""
    index = space.blocks.index
    recencies = [record.recency_ns for record in index]
    return CacheRow(
        model=space.model,
        namespace=space.name,
        blocks=len(index),
        size_bytes=space.used_bytes,
        pinned_bytes=pinned_bytes(space),
        quarantined_files=len(space.quarantined.index),
        oldest_at=timestamp(min(recencies)) if recencies else "",
        newest_at=timestamp(max(recencies)) if recencies else "",
        in_use=bool(space.owners),
        incompatible=not space.current if current is None else is_incompatible(space, current),
    )


def pinned_bytes(space: Space) -> int:
    """Return the bytes on disk of a namespace's pinned blocks."""
    return sum(record.disk_bytes for record in space.blocks.index.pinned())


def pin_row(label: str, pin: Pin, space: Space | None) -> CachePin:
    """Return a pin's row."""
    records = space.blocks.index.of(pin.prefixes) if space else ()
    return CachePin(
        label=label,
        namespace=pin.namespace,
        model=space.model if space else "",
        blocks=len(pin.hashes),
        stored_bytes=sum(record.disk_bytes for record in records),
        created_at=pin.created,
    )


def pruned(victims: Sequence[Victim], kept_pinned_files: int, *, dry_run: bool) -> PruneReport:
    """Return what went, or would, by model."""
    models: dict[str, list[int]] = {}
    for victim in victims:
        models.setdefault(victim.space.model, []).append(victim.record.disk_bytes)
    return PruneReport(
        dry_run=dry_run,
        files=len(victims),
        size_bytes=sum(victim.record.disk_bytes for victim in victims),
        kept_pinned_files=kept_pinned_files,
        models=tuple(
            PrunedModel(model=model, files=len(sizes), size_bytes=sum(sizes)) for model, sizes in sorted(models.items())
        ),
    )


def timestamp(time_ns: int) -> str:
    """Return a moment as RFC 3339 in UTC."""
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="seconds")
