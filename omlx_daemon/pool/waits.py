"""Who waits for memory and why; how often one model made way for another."""

from __future__ import annotations

import logging
from collections.abc import Callable

from omlx_daemon.pool.slot import Slot

SHOWN_S = 60.0
"""How long a refusal is shown after it was given."""

_log = logging.getLogger(__name__)


class Waits:
    """Event loop only. `clock` and `window_s` are in seconds."""

    def __init__(self, clock: Callable[[], float], window_s: float) -> None:
        self.swaps = 0
        """Models that made way for another one."""
        self._clock = clock
        self.window_s = window_s
        self._refused: dict[str, tuple[float, str]] = {}
        self._waiting: dict[str, str] = {}
        self._alarmed_s: float | None = None

    def begin(self, slot: Slot, reason: str) -> None:
        """Note what a load waits for."""
        if self._waiting.get(slot.name) is None:
            _log.info("%s %s", slot.name, reason)
        self._waiting[slot.name] = slot.waits = reason

    def alarm(self, slot: Slot, reason: str) -> None:
        """Say that models take turns in one place, once a window."""
        now_s = self._clock()
        if self._alarmed_s is None or now_s - self._alarmed_s >= self.window_s:
            self._alarmed_s = now_s
            _log.warning("models take turns and do not fit together: %s %s", slot.name, reason)

    def over(self, slot: Slot) -> None:
        """Note that a load waits no longer."""
        self._waiting.pop(slot.name, None)
        slot.waits = ""

    def refused(self, slot: Slot, reason: str) -> None:
        """Note that a load was refused for want of memory."""
        self._refused[slot.name] = self._clock(), reason
        _log.warning("%s was not loaded: it %s", slot.name, reason)

    def swapped(self) -> None:
        """Count a model that makes way for another one."""
        self.swaps += 1

    def lines(self) -> tuple[str, ...]:
        """Return a sentence for everyone who waits, or was refused a moment ago."""
        oldest_s = self._clock() - SHOWN_S
        self._refused = {name: found for name, found in self._refused.items() if found[0] >= oldest_s}
        refused = [f"{name} was refused: it {why}" for name, (_, why) in self._refused.items()]
        return (*(f"{name} {why}" for name, why in self._waiting.items()), *refused)
