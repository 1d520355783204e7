"""What the pool needs of the configuration, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field

from omlx_cli.contract.settings import MemorySettings, Settings
from omlx_cli.contract.units import parse_duration_s, parse_size_bytes
from omlx_daemon.wire.messages import WorkerSettings

AUTO = "auto"
_RESERVE_SHARE = 0.2
_LEAST_RESERVE_BYTES = 2 << 30
_MOST_RESERVE_BYTES = 8 << 30


@dataclass(frozen=True, slots=True)
class PoolSettings:
    """Durations in seconds, sizes in bytes; `ttl_s` and `load_timeout_s` may be `math.inf`."""

    memory_limit_bytes: int
    memory_reserve_bytes: int = 0
    """What is left to the system and other programs."""
    memory_patience_s: float = 5.0
    """How long a load, and a request while memory is red, may wait for memory before they are refused."""
    min_residency_s: float = 0.0
    """How long a loaded model stays before another one's load may take its place."""
    ttl_s: float = 600.0
    load_timeout_s: float = 600.0
    stop_s: float = 10.0
    """How long a worker may take to end by itself before it is killed."""
    cancel_s: float = 30.0
    """How long a cancelled request may take to end in its worker before it is forgotten."""
    stuck_s: float = 60.0
    """A worker that has work and makes no step for so long is stuck."""
    restart_s: float = 300.0
    """A worker that has work and makes no step for so long is ended."""
    worker: WorkerSettings = field(default_factory=WorkerSettings)

    @classmethod
    def of(cls, settings: Settings, total_memory_bytes: int) -> PoolSettings:
        """Return the pool's share of `settings`; percentages are of `total_memory_bytes`."""
        scheduler = settings.scheduler
        return cls(
            memory_limit_bytes=limit_bytes(settings.memory, total_memory_bytes),
            memory_reserve_bytes=reserve_bytes(settings.memory, total_memory_bytes),
            min_residency_s=parse_duration_s(settings.model.min_residency),
            ttl_s=parse_duration_s(settings.model.ttl),
            load_timeout_s=parse_duration_s(settings.model.load_timeout),
            stuck_s=parse_duration_s(settings.health.stuck_after),
            restart_s=parse_duration_s(settings.health.restart_after),
            worker=WorkerSettings(
                context_limit_tokens=settings.model.context_limit,
                max_running=scheduler.max_running,
                max_queued=scheduler.max_queued,
                stall_target_s=parse_duration_s(scheduler.stall_target),
                log_level=settings.daemon.log_level,
            ),
        )


def reserve_bytes(settings: MemorySettings, total_bytes: int) -> int:
    """Return what is left to the system: at most half of a small machine where the settings leave it open."""
    if settings.reserve != AUTO:
        return parse_size_bytes(settings.reserve, total_bytes)
    reserve = min(max(int(total_bytes * _RESERVE_SHARE), _LEAST_RESERVE_BYTES), _MOST_RESERVE_BYTES)
    return min(reserve, total_bytes // 2)


def limit_bytes(settings: MemorySettings, total_bytes: int) -> int:
    """Return what all workers may take together."""
    if settings.limit != AUTO:
        return parse_size_bytes(settings.limit, total_bytes)
    return max(0, total_bytes - reserve_bytes(settings, total_bytes))
