"""What `GET /omlx/v1/events` streams: one snapshot, then what changes in it, and what happens. `omlx top` shows it.

A stream is lines of JSON, each a `Snapshot`, a `Change` or a `Happening`. Whoever applies every change to the snapshot
holds what the daemon would answer now. Changes come up to four times a second, happenings at once.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from omlx_cli.contract.api import DaemonInfo, MemoryStatus, Reply, RequestInfo, SlotInfo
from omlx_cli.contract.cache import ModelCacheFigures


class LiveTier(msgspec.Struct, frozen=True, kw_only=True):
    """One tier over all models. Tokens and bytes count from the daemon's start; rates are of the last seconds."""

    tier: str
    """`hot` or `cold`."""
    size_bytes: int = 0
    limit_bytes: int | None = None
    """None is no limit."""
    parts: int = 0
    reused_tokens: int = 0
    evictions: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    read_bytes_per_s: float = 0.0
    written_bytes_per_s: float = 0.0
    queued_parts: int = 0
    queued_bytes: int = 0


class LiveCache(msgspec.Struct, frozen=True, kw_only=True):
    """The cache over all models, from the last reports."""

    state: str = "ok"
    """`ok`, `degraded` or `off`, as in `CacheStats`."""
    reason: str = ""
    tiers: tuple[LiveTier, ...] = ()
    requested_tokens: int = 0
    recomputed_tokens: int = 0
    saved_s: float = 0.0
    free_bytes: int = 0
    min_free_bytes: int = 0
    written_today_bytes: int = 0
    write_budget_bytes: int | None = None
    quarantined: int = 0
    models: tuple[ModelCacheFigures, ...] = ()


class LiveMemory(msgspec.Struct, frozen=True, kw_only=True):
    """What the loaded models take, of what they may take."""

    used_bytes: int = 0
    limit_bytes: int = 0
    status: MemoryStatus = MemoryStatus()


class HappeningKind(StrEnum):
    """What can happen; the class by which the log is filtered."""

    LOADED = "loaded"
    UNLOADED = "unloaded"
    CRASHED = "crashed"
    REFUSED = "refused"
    STUCK = "stuck"
    EVICTED = "evicted"
    SPILLED = "spilled"
    """Left RAM, and lies on SSD."""
    PRUNED = "pruned"
    QUARANTINED = "quarantined"
    FAILED = "failed"
    CANCELLED = "cancelled"
    FINISHED = "finished"
    MEMORY = "memory"
    """The level of memory changed."""
    CACHE = "cache"
    """The cache directory failed, or works again."""
    SETTINGS = "settings"
    MISSED = "missed"
    """Happenings that were dropped for a reader who was too slow; `count` says how many."""


class Happening(msgspec.Struct, frozen=True, kw_only=True, tag="happening"):
    """One line of the log. Like ones close together are one, with a count."""

    number: int
    """Grows by one with each; a gap means that a reader was too slow."""
    at: str
    """RFC 3339 UTC with milliseconds."""
    kind: HappeningKind
    message: str
    """In one line, for people."""
    model: str = ""
    request: str = ""
    count: int = 1
    size_bytes: int = 0


class Snapshot(Reply, frozen=True, kw_only=True, tag="snapshot"):
    """Everything at one moment."""

    number: int = 0
    """Grows by one with each change of a stream."""
    at: str
    daemon: DaemonInfo
    memory: LiveMemory = LiveMemory()
    models: tuple[SlotInfo, ...] = ()
    requests: tuple[RequestInfo, ...] = ()
    cache: LiveCache = LiveCache()
    running: int = 0
    queued: int = 0
    requests_total: int = 0
    prefill_tokens_per_s: float = 0.0
    """Of all models, now."""
    decode_tokens_per_s: float = 0.0
    happenings: tuple[Happening, ...] = ()
    """The last hundred, the oldest first."""


class Change(msgspec.Struct, frozen=True, kw_only=True, tag="change", omit_defaults=True):
    """What is new since the snapshot or change before; None is as before."""

    number: int
    at: str
    daemon: DaemonInfo | None = None
    memory: LiveMemory | None = None
    models: tuple[SlotInfo, ...] | None = None
    requests: tuple[RequestInfo, ...] = ()
    """Rows that are new or different, by id."""
    ended: tuple[str, ...] = ()
    """Ids of the rows that are gone."""
    cache: LiveCache | None = None
    running: int | None = None
    queued: int | None = None
    requests_total: int | None = None
    prefill_tokens_per_s: float | None = None
    decode_tokens_per_s: float | None = None


LiveEvent = Snapshot | Change | Happening
