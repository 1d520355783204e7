"""Whether there is room on disk, made where it lacks."""

from __future__ import annotations

from collections.abc import Callable

from omlx_daemon.ledger.book import Book
from omlx_daemon.ledger.eviction import Evictor
from omlx_daemon.ledger.policy import UNLIMITED, Policy, Reason, Refusal
from omlx_daemon.ledger.space import Space

MARGIN_BYTES = 64 << 10
"""Kept free below the quota, for directories that grow and for the ledger's own small files."""

PATIENCE_S = 30.0
"""How long a floor that removing files did not reach is left alone: snapshots and open files hold space back."""


class Room:
    """Keeps the directory within its share of the disk."""

    def __init__(
        self,
        book: Book,
        evictor: Evictor,
        policy: Policy,
        free_bytes: Callable[[], int],
        clock: Callable[[], float],
    ) -> None:
        self.policy = policy
        self._book = book
        self._evictor = evictor
        self._free_bytes = free_bytes
        self._clock = clock
        self._patient_until_s = 0.0

    @property
    def limit_bytes(self) -> int:
        """What the directory may take, the margin left aside."""
        quota_bytes = self.policy.quota_bytes
        return UNLIMITED if quota_bytes >= UNLIMITED else max(0, quota_bytes - MARGIN_BYTES)

    def make(self, space: Space, cost_bytes: int) -> Refusal | None:
        """Make room for `cost_bytes` in `space`; return None, or why there is none. Raises OSError."""
        if not self._make_share(space, cost_bytes):
            return Refusal.SHARE
        if not self._make_quota(cost_bytes):
            return Refusal.QUOTA
        if not self._make_floor(cost_bytes):
            return Refusal.FLOOR
        return None

    def keep(self) -> None:
        """Remove what the limits no longer allow, as far as it may go. Raises OSError."""
        for space in self._book:
            self._make_share(space, 0, partial=True)
        self._make_quota(0, partial=True)
        self._make_floor(0, partial=True)

    def _make_share(self, space: Space, cost_bytes: int, *, partial: bool = False) -> bool:
        if self.policy.per_model_share >= 1 or self.limit_bytes >= UNLIMITED:
            return True
        spaces = self._book.of_model(space.model) or [space]
        taken_bytes = sum(one.used_bytes + one.reserved_bytes for one in spaces)
        over_bytes = taken_bytes + cost_bytes - int(self.limit_bytes * self.policy.per_model_share)
        return over_bytes <= 0 or self._evictor.free(over_bytes, Reason.SHARE, spaces, partial=partial) >= over_bytes

    def _make_quota(self, cost_bytes: int, *, partial: bool = False) -> bool:
        over_bytes = self._book.used_bytes + self._book.reserved_bytes + cost_bytes - self.limit_bytes
        if over_bytes <= 0:
            return True
        return self._evictor.free(over_bytes, Reason.QUOTA, list(self._book), partial=partial) >= over_bytes

    def _make_floor(self, cost_bytes: int, *, partial: bool = False) -> bool:
        lack_bytes = self._lack_bytes(cost_bytes)
        if lack_bytes <= 0:
            return True
        if self._clock() < self._patient_until_s:
            return False
        if self._evictor.free(lack_bytes, Reason.FLOOR, list(self._book), partial=partial) < lack_bytes:
            return False
        if self._lack_bytes(cost_bytes) > 0:
            self._patient_until_s = self._clock() + PATIENCE_S
            return False
        return True

    def _lack_bytes(self, cost_bytes: int) -> int:
        return self.policy.min_free_bytes + self._book.reserved_bytes + cost_bytes - self._free_bytes()
