"""What is wrong with a model in memory, in one line for people."""

from __future__ import annotations

from datetime import datetime

from omlx_cli.contract.api import SlotInfo, SlotState
from omlx_cli.contract.units import format_duration


def trouble_of(row: SlotInfo, now: datetime) -> str:
    """Return why a model is not well and when it is tried again; empty where all is well. `now` is aware."""
    if row.state is SlotState.STUCK:
        return "it has work and makes no step; /health/ready names the request"
    if not row.error:
        return row.waits
    parts = [row.error]
    if row.crashes > 1:
        parts.append(f"{row.crashes} crashes so far")
    if row.retry_at is not None:
        left_s = (datetime.fromisoformat(row.retry_at) - now).total_seconds()
        parts.append(f"next start in {format_duration(max(1.0, left_s))}" if left_s > 0 else "it may start again now")
    return "; ".join(parts)
