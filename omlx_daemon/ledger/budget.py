"""Bytes written on one UTC day. Survives a restart."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from omlx_daemon.coldstore.documents import read_document, write_document

_SAVE_BYTES = 64 << 20
"""Written at most between two savings; a kill -9 forgets no more."""


class WriteBudget:
    """Counts what is written today."""

    def __init__(self, path: Path, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        document = read_document(path)
        written = document.get("written_bytes")
        self._day = str(document.get("day", ""))
        self._written_bytes = written if isinstance(written, int) and written >= 0 else 0
        self._unsaved_bytes = 0
        self.total_bytes = 0
        """Written since the start."""

    @property
    def today_bytes(self) -> int:
        """Written since midnight UTC."""
        today = datetime.fromtimestamp(self._clock(), UTC).date().isoformat()
        if today != self._day:
            self._day, self._written_bytes = today, 0
        return self._written_bytes

    def add(self, count_bytes: int) -> None:
        """Count a write. Raises OSError where the count is due to be saved and cannot be."""
        self._written_bytes = self.today_bytes + count_bytes
        self.total_bytes += count_bytes
        self._unsaved_bytes += count_bytes
        if self._unsaved_bytes >= _SAVE_BYTES:
            self.save()

    def save(self) -> None:
        """Write the count down where it changed. Raises OSError."""
        if self._unsaved_bytes:
            self._unsaved_bytes = 0
            write_document(self._path, {"day": self._day, "written_bytes": self._written_bytes})
