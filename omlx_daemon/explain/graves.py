"""Why blocks left the disk, by their hashes: as many of them as are worth remembering."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from omlx_cli.contract.misses import MissCause
from omlx_daemon.coldstore import names
from omlx_daemon.ledger.policy import Reason, Removed

MAX_BLOCKS = 1 << 15
_WHY = {
    Reason.QUOTA: (MissCause.EVICTED, "the cache was at cache.cold_max_size"),
    Reason.FLOOR: (MissCause.EVICTED, "the disk had little room left"),
    Reason.SHARE: (MissCause.EVICTED, "the model was at its share of the cache"),
    Reason.AGE: (MissCause.EVICTED, "it was not used for cache.max_age"),
    Reason.PRUNE: (MissCause.PRUNED, "by omlx cache prune"),
    Reason.CLEAR: (MissCause.PRUNED, "by omlx cache clear"),
    Reason.GONE: (MissCause.PRUNED, "its file is gone, and not by omlx"),
}


class Graves:
    """Event loop only."""

    def __init__(self, max_blocks: int = MAX_BLOCKS) -> None:
        self._max_blocks = max_blocks
        self._reasons: OrderedDict[bytes, Reason] = OrderedDict()

    def note(self, removed: Iterable[Removed]) -> None:
        """Remember why these files went."""
        for file in removed:
            name = names.parse(file.filename)
            if name is not None and file.reason in _WHY:
                self._reasons[name.hash] = file.reason
                self._reasons.move_to_end(name.hash)
        while len(self._reasons) > self._max_blocks:
            self._reasons.popitem(last=False)

    def why(self, block: bytes) -> tuple[MissCause, str] | None:
        """Return the cause and what exactly, None for a block of which nothing is known."""
        reason = self._reasons.get(block)
        return _WHY[reason] if reason else None
