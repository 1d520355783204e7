"""Moments as the contract writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def timestamp(wall_s: float) -> str:
    """Return a time of day as RFC 3339 UTC with milliseconds."""
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
