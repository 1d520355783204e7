"""A bounded memory of what was offered once."""

from __future__ import annotations

from collections import OrderedDict

DEFAULT_CAPACITY = 1 << 17


class Seen:
    """Remembers the last `capacity` hashes, so that a block is written only when it is met for the second time.

    Guard it with a lock where several threads use it.
    """

    def __init__(self, capacity: int = DEFAULT_CAPACITY) -> None:
        self._capacity = capacity
        self._hashes: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._hashes)

    def again(self, digest: bytes) -> bool:
        """Return whether `digest` was met before, and remember it."""
        known = digest in self._hashes
        self._hashes[digest] = None
        self._hashes.move_to_end(digest)
        if len(self._hashes) > self._capacity:
            self._hashes.popitem(last=False)
        return known
