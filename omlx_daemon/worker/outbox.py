"""The one thread that writes to the daemon, so that nobody else waits for the socket."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread

from omlx_daemon.wire.frames import pack
from omlx_daemon.wire.messages import Note, Report

_REPORT_EVERY_S = 0.5


class Outbox:
    """Frames notes in the order they were put, and repeats the last report while there is work.

    A report whose `steps` stand still while work is pending tells the daemon of a step that takes too long.
    """

    def __init__(self, connection: socket.socket, on_gone: Callable[[], None]) -> None:
        self._connection = connection
        self._on_gone = on_gone
        self._notes: SimpleQueue[tuple[Note, ...] | None] = SimpleQueue()
        self._report = Report()
        self._sent_s = 0.0
        self._thread = Thread(target=self._write_all, name="outbox", daemon=True)
        self._thread.start()

    def put(self, *notes: Note) -> None:
        """Queue notes to be sent together; any thread may."""
        self._notes.put(notes)

    def close(self, *last: Note) -> None:
        """Send the last notes and wait until all is written; what others put afterwards is dropped."""
        self._notes.put(last)
        self._notes.put(None)
        self._thread.join()

    def _write_all(self) -> None:
        try:
            while (notes := self._next()) is not None:
                for note in notes:
                    self._write(note)
                self._repeat_report()
        except OSError:
            self._on_gone()

    def _next(self) -> tuple[Note, ...] | None:
        try:
            return self._notes.get(timeout=_REPORT_EVERY_S)
        except Empty:
            return ()

    def _write(self, note: Note) -> None:
        if isinstance(note, Report):
            self._report, self._sent_s = note, time.monotonic()
        self._connection.sendall(pack(note))

    def _repeat_report(self) -> None:
        busy = self._report.running + self._report.queued > 0
        if busy and time.monotonic() - self._sent_s >= _REPORT_EVERY_S:
            self._write(self._report)
