"""What the cold tier tells the accountant of the cache directory, and what it asks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from omlx_daemon.coldstore.names import BlockName


@dataclass(frozen=True, slots=True)
class Stored:
    """A block file is in its place."""

    name: BlockName
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Touched:
    """Blocks were used."""

    names: tuple[BlockName, ...]


@dataclass(frozen=True, slots=True)
class Superseded:
    """Blocks that a newer one replaces: the first to go when room is wanted."""

    names: tuple[BlockName, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """A block file that should be there is not, or cannot be read."""

    name: BlockName
    reason: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A damaged block file was put aside."""

    name: BlockName
    reason: str


@dataclass(frozen=True, slots=True)
class WriteFailed:
    """The disk did not take a block."""

    errno: int
    reason: str


Note = Stored | Touched | Superseded | Missing | Quarantined | WriteFailed


class Ledger(Protocol):
    """The accountant. `reserve` is called on the writer thread and may wait; the rest from any thread, and may not."""

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        """Return how many bytes may be written: `size_bytes` or more, or 0.

        Room is not to be made by removing the block with hash `parent`, which the new one continues.
        """
        ...

    def give_back(self, size_bytes: int) -> None:
        """Return what was reserved and not used."""
        ...

    def note(self, note: Note) -> None:
        """Take note of what happened to a block."""
        ...


class Budget:
    """What may still be written without asking. Writer thread only."""

    def __init__(self, ledger: Ledger, batch_bytes: int) -> None:
        """Ask `ledger` for at least `batch_bytes` at a time."""
        self._ledger, self._batch_bytes = ledger, batch_bytes
        self._left_bytes = 0

    def take(self, size_bytes: int, parent: bytes = b"") -> bool:
        """Return whether `size_bytes` may be written for a block that continues `parent`, and use them up."""
        if size_bytes > self._left_bytes:
            wanted = size_bytes - self._left_bytes
            granted = self._ledger.reserve(max(wanted, self._batch_bytes), parent)
            if granted < wanted and wanted < self._batch_bytes:
                granted += self._ledger.reserve(wanted - granted, parent)
            self._left_bytes += granted
        if size_bytes > self._left_bytes:
            return False
        self._left_bytes -= size_bytes
        return True

    def put_back(self, size_bytes: int) -> None:
        """Return what `take` gave and was not written."""
        self._left_bytes += size_bytes

    def close(self) -> None:
        """Give back what is left."""
        self._ledger.give_back(self._left_bytes)
        self._left_bytes = 0
