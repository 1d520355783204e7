"""What the panels are drawn from: the daemon's state at one moment, and what was seen before."""

from __future__ import annotations

from dataclasses import dataclass

from omlx_cli.contract.live import Snapshot
from omlx_cli.top.figures import epoch_s
from omlx_cli.top.history import History
from omlx_cli.top.state import aged


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment. `now_s` is the daemon's clock in seconds since 1970."""

    snapshot: Snapshot
    history: History
    now_s: float

    @classmethod
    def after(cls, snapshot: Snapshot, history: History, seconds: float) -> Moment:
        """Return the moment so long after the last word of the daemon."""
        now_s = (epoch_s(snapshot.at) or 0.0) + seconds
        return cls(aged(snapshot, seconds), history, now_s)

    def left_s(self, at: str | None) -> float | None:
        """Return the seconds until an RFC 3339 time, never below 0; None where there is none."""
        due_s = epoch_s(at)
        return None if due_s is None else max(0.0, due_s - self.now_s)
