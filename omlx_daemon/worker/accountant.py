"""The worker's end of the daemon's ledger."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Lock

from omlx_daemon.wire import cache as wire
from omlx_daemon.wire.cache import CacheNote, GiveBack, Reserve
from omlx_daemon.worker.cache.ledger import Missing, Note, Quarantined, Stored, Superseded, Touched, WriteFailed

PATIENCE_S = 30.0
"""How long a writer waits for the daemon's answer before it takes it for a refusal."""


class Accountant:
    """`worker.cache.ledger.Ledger` over the wire. Any thread."""

    def __init__(self, tell: Callable[[CacheNote], None]) -> None:
        """Send what is noted and asked by `tell`, which never waits."""
        self._tell = tell
        self._lock = Lock()
        self._ids = itertools.count(1)
        self._asked: dict[int, SimpleQueue[int]] = {}

    def reserve(self, size_bytes: int, parent: bytes = b"") -> int:
        """Return how many bytes may be written, 0 for none; waits for the daemon."""
        answer: SimpleQueue[int] = SimpleQueue()
        with self._lock:
            number = next(self._ids)
            self._asked[number] = answer
        self._tell(Reserve(id=number, size_bytes=size_bytes, parent=parent))
        try:
            return answer.get(timeout=PATIENCE_S)
        except Empty:
            with self._lock:
                late = self._asked.pop(number, None)
            return 0 if late is not None else answer.get()

    def granted(self, number: int, size_bytes: int) -> None:
        """Take the daemon's answer; one that came too late is given back."""
        with self._lock:
            answer = self._asked.pop(number, None)
            if answer is not None:
                answer.put(size_bytes)
                return
        self.give_back(size_bytes)

    def give_back(self, size_bytes: int) -> None:
        """Return what was reserved and not used."""
        if size_bytes:
            self._tell(GiveBack(size_bytes=size_bytes))

    def note(self, note: Note) -> None:
        """Tell the daemon what happened to a block."""
        match note:
            case Stored(name=name, size_bytes=size_bytes):
                self._tell(wire.Stored(filename=name.filename, size_bytes=size_bytes))
            case Touched(names=names):
                self._tell(wire.Touched(filenames=tuple(name.filename for name in names)))
            case Superseded(names=names):
                self._tell(wire.Superseded(filenames=tuple(name.filename for name in names)))
            case Missing(name=name):
                self._tell(wire.Missing(filename=name.filename))
            case Quarantined(name=name, reason=reason):
                self._tell(wire.Quarantined(filename=name.filename, reason=reason))
            case WriteFailed(errno=errno, reason=reason):
                self._tell(wire.WriteFailed(errno=errno, reason=reason))
