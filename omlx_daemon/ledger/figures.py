"""The few figures of a ledger that a dashboard asks for again and again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ColdFigures:
    """The cold tier at one moment. Bytes are on disk; None is no limit."""

    used_bytes: int = 0
    quota_bytes: int | None = None
    blocks: int = 0
    evictions: int = 0
    """Files that limits removed since the start."""
    quarantined: int = 0
    """Files in quarantine now."""
    free_bytes: int = 0
    min_free_bytes: int = 0
    written_bytes: int = 0
    """Since the start."""
    written_today_bytes: int = 0
    write_budget_bytes: int | None = None
    degraded: str = ""
    """Why nothing is written, or empty."""
