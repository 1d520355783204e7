"""The engine's figures for the daemon: counters, and rates over the last moments."""

from __future__ import annotations

from omlx_daemon.wire.messages import Report
from omlx_daemon.worker.engine.ports import Memory

PERIOD_S = 0.5


class Meter:
    """Counts tokens between two readings and makes them rates; owned by the engine thread."""

    def __init__(self, now_s: float) -> None:
        self.steps = 0
        self.decoded_tokens = 0
        self.prefilled_tokens = 0
        self._since_s = now_s
        self._running = 0
        self._queued = 0
        self._report = Report()

    def due(self, now_s: float, running: int, queued: int) -> bool:
        """Whether the period is over, or the number of requests has changed."""
        return (running, queued) != (self._running, self._queued) or (
            running + queued > 0 and now_s - self._since_s >= PERIOD_S
        )

    def read(self, now_s: float, running: int, queued: int, memory: Memory) -> Report:
        """Return a new reading. Rates are renewed once a period at most, and zero when nothing is left to do."""
        self._running, self._queued = running, queued
        decode, prefill = self._rates(now_s, running + queued > 0)
        self._report = Report(
            steps=self.steps,
            running=running,
            queued=queued,
            decode_tokens_per_s=decode,
            prefill_tokens_per_s=prefill,
            active_bytes=memory.active_bytes,
            cache_bytes=memory.cache_bytes,
            peak_bytes=memory.peak_bytes,
            kv_bytes=memory.kv_bytes,
            kv_live_bytes=memory.kv_live_bytes,
        )
        return self._report

    def _rates(self, now_s: float, busy: bool) -> tuple[float, float]:
        elapsed_s = now_s - self._since_s
        if busy and elapsed_s < PERIOD_S:
            return self._report.decode_tokens_per_s, self._report.prefill_tokens_per_s
        rates = (self.decoded_tokens / elapsed_s, self.prefilled_tokens / elapsed_s) if busy else (0.0, 0.0)
        self.decoded_tokens = self.prefilled_tokens = 0
        self._since_s = now_s
        return rates
