"""The cache's figures, honest to the token. Counters run from the start of the process."""

from __future__ import annotations

from dataclasses import dataclass, field

from omlx_daemon.worker.cache.tier import TierStats


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What the cache did for the requests so far."""

    requests: int = 0
    requested_tokens: int = 0
    reused_tokens: dict[str, int] = field(default_factory=dict)
    """Prompt tokens that were not computed again, by the tier they came from."""
    recomputed_tokens: int = 0
    saved_s: float = 0.0
    """Prefill time of the reused tokens at the measured speed, less the time their restore took."""
    restore_s: float = 0.0
    stops: dict[str, int] = field(default_factory=dict)
    """Requests by the reason why no more was reused."""
    known_blocks: int = 0
    deferred_parts: int = 0
    prefill_tokens_per_s: float = 0.0
    read_bytes_per_s: float = 0.0
    off: str = ""
    """Why nothing is cached, or empty."""
    tiers: tuple[TierStats, ...] = ()

    @property
    def hit_rate(self) -> float:
        """Reused tokens of those requested, 0 to 1."""
        return sum(self.reused_tokens.values()) / self.requested_tokens if self.requested_tokens else 0.0


class Counters:
    """What `StoreStats` is made of. Engine thread only."""

    def __init__(self) -> None:
        self.requests = self.requested_tokens = self.recomputed_tokens = 0
        self.reused_tokens: dict[str, int] = {}
        self.stops: dict[str, int] = {}
        self.saved_s = self.restore_s = 0.0

    def add(self, prompt_tokens: int, by_tier: dict[str, int], stop: str, restore_s: float, compute_s: float) -> None:
        """Count one request; `compute_s` is what its reused tokens would have taken to compute."""
        self.requests += 1
        self.requested_tokens += prompt_tokens
        self.recomputed_tokens += prompt_tokens - sum(by_tier.values())
        for tier, tokens in by_tier.items():
            self.reused_tokens[tier] = self.reused_tokens.get(tier, 0) + tokens
        self.stops[stop] = self.stops.get(stop, 0) + 1
        self.restore_s += restore_s
        self.saved_s += max(0.0, compute_s - restore_s)
