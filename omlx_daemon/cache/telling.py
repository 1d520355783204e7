"""What happens in the cache, in words."""

from __future__ import annotations

from collections.abc import Sequence

from omlx_cli.contract.live import HappeningKind
from omlx_daemon.core.journal import Journal
from omlx_daemon.ledger.policy import Reason, Removed

_WHY = {
    Reason.QUOTA: (HappeningKind.EVICTED, "left SSD: the cache is at cache.cold_max_size"),
    Reason.FLOOR: (HappeningKind.EVICTED, "left SSD: the disk has little room left"),
    Reason.SHARE: (HappeningKind.EVICTED, "left SSD: the model is at its share of the cache"),
    Reason.AGE: (HappeningKind.EVICTED, "left SSD: they were not used for cache.max_age"),
    Reason.PRUNE: (HappeningKind.PRUNED, "were pruned from SSD"),
    Reason.CLEAR: (HappeningKind.PRUNED, "were cleared from SSD"),
    Reason.GONE: (HappeningKind.CACHE, "are gone from SSD, and not by omlx"),
}
"""What is worth telling; a part that its writer replaces is not."""


class Telling:
    """Event loop only."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._trouble = ""

    def removed(self, removed: Sequence[Removed]) -> None:
        """Tell of files that left the disk, by model and reason."""
        sums: dict[tuple[str, Reason], list[int]] = {}
        for file in removed:
            sums.setdefault((file.model, file.reason), []).append(file.size_bytes)
        for (model, reason), sizes in sums.items():
            if reason in _WHY:
                kind, words = _WHY[reason]
                message = f"{_blocks(model)} {words}"
                self._journal.note(kind, message, model=model, count=len(sizes), size_bytes=sum(sizes))

    def left_ram(self, model: str, parts: int, size_bytes: int, is_kept: bool) -> None:
        """Tell of parts that were evicted from memory, if there are any; they are `is_kept` where each has a file."""
        if parts <= 0:
            return
        kind = HappeningKind.SPILLED if is_kept else HappeningKind.EVICTED
        message = f"{_blocks(model)} left RAM, and {'lie on SSD' if is_kept else 'are not on SSD'}"
        self._journal.note(kind, message, model=model, count=parts, size_bytes=size_bytes)

    def quarantined(self, model: str, reason: str, count: int = 1) -> None:
        """Tell of damaged files that were put aside."""
        words = f"{_blocks(model)} on SSD were damaged and put aside" + (f": {reason}" if reason else "")
        self._journal.note(HappeningKind.QUARANTINED, words, model=model, count=count)

    def trouble(self, reason: str) -> None:
        """Tell why the directory cannot be written, once; empty where it can."""
        if reason == self._trouble:
            return
        was, self._trouble = self._trouble, reason
        if not (was and reason):
            words = f"the cache works in RAM alone: {reason}" if reason else "the cache directory works again"
            self._journal.note(HappeningKind.CACHE, words)


def _blocks(model: str) -> str:
    return f"blocks of {model}" if model else "blocks"
