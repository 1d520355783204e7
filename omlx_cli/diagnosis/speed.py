"""How fast a disk is: a small file written, forgotten by the system, and read again."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, NamedTuple

MAX_BYTES = 64 << 20
MAX_S = 2.0
_PIECE_BYTES = 4 << 20
_SPARED = 4
"""The file takes at most this part of what is free."""
_F_NOCACHE = 48
"""macOS: neither keep in memory what is written, nor take from there what is read."""


class Speed(NamedTuple):
    """A measurement."""

    size_bytes: int
    write_bytes_per_s: float
    read_bytes_per_s: float


def measure(folder: Path, max_bytes: int = MAX_BYTES, max_s: float = MAX_S) -> Speed | None:
    """Write and read up to `max_bytes` in up to `max_s`, or one piece; None where there is hardly room.

    The file has no name, so nothing is left even by a process that is killed. Raises OSError.
    """
    found = os.statvfs(folder)
    pieces = min(max_bytes, found.f_bavail * found.f_frsize // _SPARED) // _PIECE_BYTES
    if not pieces:
        return None
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        _bypass_memory(file)
        size_bytes, write_s = _write(file, pieces, max_s / 2)
        _forget(file)
        read_bytes, read_s = _read(file, max_s / 2)
    return Speed(size_bytes, size_bytes / write_s, read_bytes / read_s)


def _write(file: IO[bytes], pieces: int, max_s: float) -> tuple[int, float]:
    """Return the bytes that reached the disk, and the seconds."""
    # Random, so that no disk can compress it.
    piece = os.urandom(_PIECE_BYTES)
    begun_s = time.perf_counter()
    size_bytes = 0
    while size_bytes < pieces * _PIECE_BYTES:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(file.fileno(), rest) :]
        # Each piece must be on the disk before the next: memory would swallow all of them at once.
        os.fsync(file.fileno())
        size_bytes += _PIECE_BYTES
        if time.perf_counter() - begun_s > max_s:
            break
    return size_bytes, max(time.perf_counter() - begun_s, 1e-9)


def _read(file: IO[bytes], max_s: float) -> tuple[int, float]:
    """Return the bytes that came back, and the seconds."""
    piece = bytearray(_PIECE_BYTES)
    begun_s = time.perf_counter()
    size_bytes = 0
    while (count := os.preadv(file.fileno(), [piece], size_bytes)) and time.perf_counter() - begun_s <= max_s:
        size_bytes += count
    return max(size_bytes, count), max(time.perf_counter() - begun_s, 1e-9)


def _bypass_memory(file: IO[bytes]) -> None:
    if sys.platform == "darwin":
        with contextlib.suppress(OSError):
            fcntl.fcntl(file.fileno(), _F_NOCACHE, 1)


def _forget(file: IO[bytes]) -> None:
    """Have the system forget what it holds of the file."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
