"""Replies of the cache commands, and the bodies they take: the same from the daemon and without one."""

from __future__ import annotations

from typing import Annotated

import msgspec

from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import ErrorBody


class CacheRow(msgspec.Struct, frozen=True, kw_only=True):
    """One namespace of the cold tier: a row of `omlx cache ls`."""

    model: str
    """The model's name, or empty where nothing tells it."""
    namespace: str
    """The fingerprint; with another format's directory before it where the block format differs."""
    blocks: int = 0
    size_bytes: int = 0
    """Bytes on disk, as `du` counts."""
    pinned_bytes: int = 0
    quarantined_files: int = 0
    oldest_at: str = ""
    """Least recent use of a block."""
    newest_at: str = ""
    in_use: bool = False
    """A loaded model reads and writes it."""
    incompatible: bool = False
    """No model here can use it: its fingerprint or its format is of the past."""


class CacheList(Reply, frozen=True, kw_only=True):
    """Answer of `omlx cache ls`."""

    namespaces: tuple[CacheRow, ...] = ()


class CacheStats(Reply, frozen=True, kw_only=True):
    """Answer of `omlx cache stats`: the cold tier's books. Bytes on disk are as `du` counts."""

    path: str
    state: str = "ok"
    """`ok`, `degraded`: nothing is written until the directory works again, or `off`: the settings want no SSD tier."""
    reason: str = ""
    """Why it is not ok."""
    quota_bytes: int | None = None
    """None is no quota."""
    used_bytes: int = 0
    """Everything in the directory."""
    reserved_bytes: int = 0
    """Granted to writers, not yet written."""
    free_bytes: int = 0
    """Free on the file system."""
    min_free_bytes: int = 0
    blocks: int = 0
    block_bytes: int = 0
    pins: int = 0
    pinned_bytes: int = 0
    temporary_bytes: int = 0
    quarantined_files: int = 0
    quarantined_bytes: int = 0
    foreign_files: int = 0
    """Not of omlx's making: counted, never removed."""
    foreign_bytes: int = 0
    symlinks: int = 0
    """Among the foreign files; never followed."""
    unreadable: int = 0
    """Directories that could not be listed."""
    other_version_bytes: int = 0
    overhead_bytes: int = 0
    """Directories and the ledger's own files."""
    evictions: dict[str, int] = msgspec.field(default_factory=dict)
    """Files removed since the start, by reason."""
    evicted_bytes: int = 0
    refusals: dict[str, int] = msgspec.field(default_factory=dict)
    """Reservations refused since the start, by reason."""
    written_bytes: int = 0
    """Written since the start."""
    written_today_bytes: int = 0
    write_budget_bytes: int | None = None
    """Allowed per UTC day; None is no limit."""
    namespaces: tuple[CacheRow, ...] = ()


class PruneBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of prune: a block goes where all that is given holds. Durations and sizes as people write them."""

    older_than: str = ""
    """Not used for so long: `7d`."""
    larger_than: str = ""
    """Files over this: `10MiB`."""
    model: str = ""
    incompatible: bool = False
    dry_run: bool = False


class PrunedModel(msgspec.Struct, frozen=True, kw_only=True):
    """What one model lost."""

    model: str
    files: int = 0
    size_bytes: int = 0


class PruneReport(Reply, frozen=True, kw_only=True):
    """Answer of prune, clear, export and import."""

    dry_run: bool = False
    files: int = 0
    size_bytes: int = 0
    kept_pinned_files: int = 0
    """Would have gone, were they not pinned."""
    models: tuple[PrunedModel, ...] = ()
    left_out: dict[str, int] = msgspec.field(default_factory=dict)
    """Of an import: files that were not taken, by the reason."""
    error: ErrorBody | None = None
    """Why it ended early."""


class VerifyBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of verify: `sample` blocks at random, 0 for all; `deep` also recomputes them."""

    sample: Annotated[int, msgspec.Meta(ge=0)] = 0
    deep: bool = False


class BadBlock(msgspec.Struct, frozen=True, kw_only=True):
    """A file that verify put aside or could not read."""

    model: str
    filename: str
    reason: str


class VerifyReport(Reply, frozen=True, kw_only=True):
    """What verify found."""

    checked: int = 0
    checked_bytes: int = 0
    damaged: int = 0
    """Put into quarantine."""
    unreadable: int = 0
    """Left where they are: the system refused to read them."""
    recomputed: int = 0
    """Compared with what their models compute, and that was the same."""
    left_out: dict[str, int] = msgspec.field(default_factory=dict)
    """Of a deep verification: files that were not compared, by the reason."""
    seconds: float = 0.0
    problems: tuple[BadBlock, ...] = ()
    """The first hundred."""


class VerifyProgress(msgspec.Struct, frozen=True, kw_only=True, tag="progress"):
    """Blocks so far."""

    checked: int
    total: int


class VerifyDone(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The verification ended."""

    report: VerifyReport


class VerifyFailed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The verification broke off."""

    error: ErrorBody


VerifyEvent = VerifyProgress | VerifyDone | VerifyFailed


class CachePin(msgspec.Struct, frozen=True, kw_only=True):
    """One pinned prefix."""

    label: str
    namespace: str
    model: str = ""
    blocks: int = 0
    """Blocks that the pin names."""
    stored_bytes: int = 0
    """Bytes of them on disk now."""
    created_at: str = ""


class CachePinReply(Reply, frozen=True, kw_only=True):
    """Answer of pin."""

    pin: CachePin


class CachePins(Reply, frozen=True, kw_only=True):
    """Every pinned prefix."""

    pins: tuple[CachePin, ...] = ()


class CachePath(Reply, frozen=True, kw_only=True):
    """Answer of `omlx cache path`."""

    path: str
    exists: bool = False


class TierFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One tier of one model, from the worker's last report. Counters run from the worker's start."""

    tier: str
    """`hot` or `cold`."""
    size_bytes: int = 0
    capacity_bytes: int = 0
    parts: int = 0
    reused_tokens: int = 0
    evictions: int = 0
    evicted_bytes: int = 0
    """Of the hot tier alone."""
    spilled: int = 0
    """Evictions from the hot tier of what has a file in the cold one."""
    spilled_bytes: int = 0
    stored: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    queued_parts: int = 0
    queued_bytes: int = 0
    refused: int = 0
    dropped: int = 0
    missing: int = 0
    quarantined: int = 0
    errors: int = 0


class ModelCacheFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What the cache did for one model since the daemon started."""

    model: str
    enabled: bool = True
    why_off: str = ""
    """Why prefixes of this model are not cached, where they are not."""
    requested_tokens: int = 0
    reused_hot_tokens: int = 0
    reused_cold_tokens: int = 0
    recomputed_tokens: int = 0
    saved_s: float = 0.0
    """Prefill time not spent, by the measured prefill speed."""
    misses: dict[str, int] = msgspec.field(default_factory=dict)
    """Requests by the reason why no more was reused."""
    tiers: tuple[TierFigures, ...] = ()


class CacheMetrics(Reply, frozen=True, kw_only=True):
    """`GET /v1/cache/metrics`. `hit_rate` is tokens reused / tokens requested; MB are 1,000,000 bytes."""

    hot_size_mb: float = 0.0
    cold_size_mb: float = 0.0
    hit_rate: float = 0.0
    evictions: int = 0
    requested_tokens: int = 0
    reused_hot_tokens: int = 0
    reused_cold_tokens: int = 0
    recomputed_tokens: int = 0
    saved_s: float = 0.0
    bytes_read: int = 0
    bytes_written: int = 0
    queue_depth: int = 0
    queued_bytes: int = 0
    quarantined: int = 0
    prompt_rules: dict[str, int] = msgspec.field(default_factory=dict)
    """Prompts that each rule of `[prompts]` has changed since the daemon started."""
    models: tuple[ModelCacheFigures, ...] = ()


class CachePinBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of pin: the system prompt to keep ready for a model."""

    label: str
    model: str
    system: str


class CacheLabelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of unpin."""

    label: str


class CacheWarmBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of warm: text, or the messages of a chat."""

    model: str
    text: str = ""
    messages: tuple[dict[str, object], ...] = ()


class CacheWarm(Reply, frozen=True, kw_only=True):
    """Answer of warm."""

    prompt_tokens: int = 0
    computed_tokens: int = 0
    """The rest was there already."""
    seconds: float = 0.0


class CacheModelBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of clear and ls: one model, or empty for all."""

    model: str = ""


class CacheArchiveBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of export and import: an absolute path; for export alone `model`, the name of a model or else of a pin."""

    path: str
    model: str = ""
