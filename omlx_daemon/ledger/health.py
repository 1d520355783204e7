"""Whether the directory can be written, and when to try again."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

_LOG = logging.getLogger(__name__)

RETRY_S = 30.0


class Health:
    """Degraded from the first failure until a trial succeeds; one warning for each stretch of failures."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._warned = False
        self._retry_at_s = 0.0
        self.reason = ""
        """Why nothing is written, or empty."""

    @property
    def degraded(self) -> bool:
        """Whether nothing may be written."""
        return bool(self.reason)

    def is_due(self) -> bool:
        """Return whether it is time to try again."""
        return self.degraded and self._clock() >= self._retry_at_s

    def failed(self, doing: str, error: OSError) -> None:
        """Note a failure of the file system while `doing` something."""
        if not self.degraded or self.is_due():
            self._retry_at_s = self._clock() + RETRY_S
        self.reason = f"{doing}: {error.strerror or os.strerror(error.errno or 5)}"
        if not self._warned:
            self._warned = True
            _LOG.warning("the cold tier pauses, answers come from RAM: %s", self.reason)

    def usable(self) -> None:
        """Note that a trial succeeded."""
        if self.degraded:
            self.reason = ""

    def proven(self) -> None:
        """Note that a block was stored: the next failure is worth a warning again."""
        if self._warned and not self.degraded:
            self._warned = False
            _LOG.warning("the cold tier works again")
