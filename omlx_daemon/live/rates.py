"""How fast counters grow."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import msgspec

from omlx_cli.contract.live import LiveCache, LiveTier

WINDOW_S = 3.0


class Rates:
    """Growth per second over the last seconds, of counters that are read now and then. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._readings: dict[str, deque[tuple[float, int]]] = {}

    def of(self, name: str, count: int) -> float:
        """Take a reading of a counter; return how fast it has grown. One that was set back begins anew."""
        now_s = self._clock()
        readings = self._readings.setdefault(name, deque())
        if readings and count < readings[-1][1]:
            readings.clear()
        readings.append((now_s, count))
        while len(readings) > 1 and readings[1][0] <= now_s - WINDOW_S:
            readings.popleft()
        begun_s, before = readings[0]
        return round((count - before) / (now_s - begun_s), 1) if now_s > begun_s else 0.0

    def filled(self, cache: LiveCache) -> LiveCache:
        """Return the figures of the cache with the rates of its tiers."""
        return msgspec.structs.replace(cache, tiers=tuple(self._tier(tier) for tier in cache.tiers))

    def _tier(self, tier: LiveTier) -> LiveTier:
        return msgspec.structs.replace(
            tier,
            read_bytes_per_s=self.of(f"{tier.tier} read", tier.read_bytes),
            written_bytes_per_s=self.of(f"{tier.tier} written", tier.written_bytes),
        )
