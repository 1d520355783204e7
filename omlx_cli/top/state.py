"""What the daemon looks like after an event. Pure."""

from __future__ import annotations

from datetime import datetime

import msgspec

from omlx_cli.contract.api import RequestInfo
from omlx_cli.contract.live import Change, Happening, LiveEvent, Snapshot

LOG_LINES = 100
"""Happenings that a snapshot keeps, as many as the daemon does."""
_PARTS = (
    "daemon", "memory", "models", "cache", "running", "queued", "requests_total", "prefill_tokens_per_s",
    "decode_tokens_per_s",
)  # fmt: skip


def apply(snapshot: Snapshot, event: LiveEvent) -> Snapshot:
    """Return `snapshot` as it is after `event`; after every event of a stream it is what the daemon would answer."""
    match event:
        case Snapshot():
            return event
        case Happening():
            log = (*snapshot.happenings, event)[-LOG_LINES:]
            return msgspec.structs.replace(snapshot, happenings=log)
        case Change():
            return _changed(aged(snapshot, _seconds(snapshot.at, event.at)), event)


def aged(snapshot: Snapshot, seconds: float) -> Snapshot:
    """Return `snapshot` so much later, nothing else having changed: what only time moves is never sent again."""
    if not seconds:
        return snapshot
    uptime_s = round(snapshot.daemon.uptime_s + seconds, 3)
    return msgspec.structs.replace(
        snapshot,
        daemon=msgspec.structs.replace(snapshot.daemon, uptime_s=uptime_s),
        requests=tuple(_older(row, seconds) for row in snapshot.requests),
    )


def _changed(snapshot: Snapshot, change: Change) -> Snapshot:
    given = {name: value for name in _PARTS if (value := getattr(change, name)) is not None}
    rows = {row.id: row for row in snapshot.requests}
    for gone in change.ended:
        rows.pop(gone, None)
    rows |= {row.id: row for row in change.requests}
    return msgspec.structs.replace(snapshot, number=change.number, at=change.at, requests=tuple(rows.values()), **given)


def _older(row: RequestInfo, seconds: float) -> RequestInfo:
    left_s = None if row.left_s is None else max(0.0, row.left_s - seconds)
    return msgspec.structs.replace(row, age_s=round(row.age_s + seconds, 3), left_s=left_s)


def _seconds(before: str, after: str) -> float:
    return (datetime.fromisoformat(after) - datetime.fromisoformat(before)).total_seconds()
