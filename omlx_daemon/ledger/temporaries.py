"""Temporaries that a dead writer left."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from omlx_daemon.coldstore.scan import FoundFile

OLD_NS = 3600 * 10**9
"""No write lasts so long, whoever has the writer's process id by now."""

_WRITER = re.compile(r"\.tmp-(\d{1,10})-", re.ASCII)


def stale(temporaries: Iterable[FoundFile], now_ns: int, dead_pid: int | None = None) -> list[FoundFile]:
    """Return those whose writer is gone, or is `dead_pid`, or that are older than any write lasts."""
    return [
        file
        for file in temporaries
        if now_ns - file.mtime_ns > OLD_NS or _writer(file) == dead_pid or not _is_alive(_writer(file))
    ]


def _writer(file: FoundFile) -> int:
    found = _WRITER.match(file.filename)
    return int(found[1]) if found else os.getpid()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
