"""One model in the pool: its phase, its leases, its row in `omlx ps`."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto

from omlx_cli.contract.api import SlotInfo, SlotState
from omlx_cli.contract.errors import ErrorBody
from omlx_daemon.core.models import ModelSpec
from omlx_daemon.pool.backoff import Backoff
from omlx_daemon.pool.worker import Worker


class Phase(Enum):
    """Where a slot is in its life; busy and idle are both READY, apart by their leases."""

    COLD = auto()
    LOADING = auto()
    READY = auto()
    UNLOADING = auto()
    CRASHED = auto()


@dataclass(eq=False)
class Slot:
    """Written by the event loop alone. Times are seconds of the pool's monotonic clock."""

    spec: ModelSpec
    ttl_s: float
    """Idle time that the settings allow."""
    last_used_s: float
    kept_s: float | None = None
    """Idle time that a caller asked for, until the model is unloaded; None leaves it to the settings."""
    names: set[str] = field(default_factory=set)
    """Every name it was asked for by, the model's own among them."""
    phase: Phase = Phase.COLD
    worker: Worker | None = None
    task: asyncio.Task[None] | None = None
    """The load or unload under way."""
    leases: int = 0
    """Requests, and loads asked for, that need the model; a leased slot is not unloaded."""
    waiting: int = 0
    """Requests that wait for the load."""
    waits: str = ""
    """What its load waits for, or empty."""
    unwanted: ErrorBody | None = None
    """Why a load under way is to be given up, or None."""
    error: ErrorBody | None = None
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.spec.name

    @property
    def is_live(self) -> bool:
        """Whether the model is in memory or on its way there."""
        return self.phase in (Phase.LOADING, Phase.READY)

    @property
    def is_idle(self) -> bool:
        """Whether the model is loaded and nobody needs it."""
        return self.phase is Phase.READY and not self.leases

    @property
    def state(self) -> SlotState:
        """The phase as people see it."""
        if self.phase is Phase.READY:
            return SlotState.BUSY if self.leases else SlotState.IDLE
        return _STATES[self.phase]

    def idle_left_s(self, now_s: float) -> float:
        """Return the seconds until the idle model expires; infinite while it is leased or not loaded."""
        return self.last_used_s + self.stay_s - now_s if self.is_idle else math.inf

    @property
    def stay_s(self) -> float:
        """How long the model may stay when nobody needs it."""
        return self.ttl_s if self.kept_s is None else self.kept_s

    def row(self, now_s: float, wall_s: float, *, pinned: bool, stuck: bool, size_bytes: int) -> SlotInfo:
        """Return the row of `omlx ps`; `wall_s` is the time of day at `now_s`."""
        worker = self.worker
        left_s = math.inf if pinned else self.idle_left_s(now_s)
        retry_s = self.backoff.wait_s(now_s) if self.phase is Phase.CRASHED else 0.0
        return SlotInfo(
            name=self.name,
            state=SlotState.STUCK if stuck else self.state,
            size_bytes=size_bytes,
            pinned=pinned,
            running=worker.running if worker else 0,
            queued=self.waiting + (worker.queued if worker else 0),
            decode_tokens_per_s=worker.report.decode_tokens_per_s if worker and self.leases else 0.0,
            prefill_tokens_per_s=worker.report.prefill_tokens_per_s if worker and self.leases else 0.0,
            loading=worker.progress if worker else 0.0,
            ttl_s=None if math.isinf(self.stay_s) else self.stay_s,
            expires_at=None if math.isinf(left_s) else _timestamp(wall_s + max(0.0, left_s)),
            pid=worker.pid if worker else 0,
            crashes=self.backoff.crashes,
            error=self.error.message if self.error else "",
            waits=self.waits,
            retry_at=_timestamp(wall_s + retry_s) if retry_s else None,
        )


_STATES = {
    Phase.COLD: SlotState.IDLE,
    Phase.LOADING: SlotState.LOADING,
    Phase.UNLOADING: SlotState.UNLOADING,
    Phase.CRASHED: SlotState.CRASHED,
}


def _timestamp(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
