"""Which blocks are being computed by a live sequence, so that a second one may wait instead of computing them too."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

Owner = TypeVar("Owner")


class InFlight(Generic[Owner]):
    """Hashes and the sequence that computes each. The first to announce a block owns it."""

    def __init__(self) -> None:
        self._owners: dict[bytes, Owner] = {}
        self._owned: dict[int, set[bytes]] = {}

    def __len__(self) -> int:
        return len(self._owners)

    def announce(self, owner: Owner, hashes: Iterable[bytes]) -> None:
        """Note that `owner` is going to compute these blocks, as far as nobody else is."""
        for digest in hashes:
            if self._owners.setdefault(digest, owner) is owner:
                self._owned.setdefault(id(owner), set()).add(digest)

    def owner(self, digest: bytes) -> Owner | None:
        """Return who computes a block."""
        return self._owners.get(digest)

    def done(self, owner: Owner, digest: bytes) -> None:
        """Note that a block is stored."""
        if self._owners.get(digest) is owner:
            del self._owners[digest]
            self._owned[id(owner)].discard(digest)

    def leave(self, owner: Owner) -> None:
        """Note that `owner` computes nothing any more."""
        for digest in self._owned.pop(id(owner), ()):
            del self._owners[digest]
