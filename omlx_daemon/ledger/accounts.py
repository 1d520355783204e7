"""The ledger's state and its lock: what every group of its verbs works on."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from omlx_daemon.coldstore.seen import Seen
from omlx_daemon.coldstore.trace import Trace
from omlx_daemon.ledger.book import Book
from omlx_daemon.ledger.budget import WriteBudget
from omlx_daemon.ledger.disk import Disk
from omlx_daemon.ledger.eviction import Evictor
from omlx_daemon.ledger.health import Health
from omlx_daemon.ledger.pins import Pins
from omlx_daemon.ledger.policy import Policy, Refusal, Removed
from omlx_daemon.ledger.room import Room

_LOG = logging.getLogger(__name__)

Listener = Callable[[Sequence[Removed]], None]
"""Hears of blocks that were removed, outside the lock, from the thread that removed them."""


class Accounts:
    """Holds the accounts of an open directory. `disk` is open; `close` lets go of it."""

    def __init__(self, disk: Disk, policy: Policy, clock: Callable[[], float]) -> None:
        self._disk = disk
        self._clock = clock
        self._lock = threading.Lock()
        self._health = Health(clock)
        self._book = Book(disk.layout)
        self._evictor = Evictor(self._health)
        self._room = Room(self._book, self._evictor, policy, disk.free_bytes, clock)
        self._budget = WriteBudget(disk.layout.budget, clock)
        self._pins = Pins(disk.layout.pins)
        self._seen = Seen()
        self._refused: dict[str, Refusal] = {}
        self._refusals: Counter[Refusal] = Counter()
        self._listeners: list[Listener] = []
        self._trace: Trace = frozenset()
        self._scan_again_at_s = 0.0

    @property
    def policy(self) -> Policy:
        """The limits in force."""
        return self._room.policy

    @property
    def degraded(self) -> str:
        """Why nothing is written at present, or empty."""
        return self._health.reason

    def listen(self, listener: Listener) -> None:
        """Tell `listener` of every block that is removed from now on."""
        self._listeners.append(listener)

    @contextmanager
    def _session(self, doing: str) -> Iterator[None]:
        """Hold the lock; a failure of the file system degrades the ledger and ends the block quietly."""
        with self._lock:
            try:
                yield
            except OSError as error:
                self._health.failed(doing, error)
            finally:
                removed = self._evictor.drain()
        self._tell(removed)

    def _tell(self, removed: Sequence[Removed]) -> None:
        for listener in self._listeners if removed else ():
            listener(removed)

    def _now_ns(self) -> int:
        return int(self._clock() * 1e9)

    def _apply_pins(self) -> None:
        for space in self._book:
            space.blocks.index.pin(self._pins.prefixes(space.name))
