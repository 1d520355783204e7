"""Processes by their ids, which the system gives away again: a stranger is never taken for the daemon."""

from __future__ import annotations

import os
import signal

import psutil

_MODULE, _SCRIPT = "omlx_daemon", "/omlx-daemon"


def is_daemon(pid: int) -> bool:
    """Tell whether `pid` is a daemon's process that has not ended."""
    try:
        process = psutil.Process(pid)
        words = process.cmdline()
        return process.status() != psutil.STATUS_ZOMBIE and any(
            word == _MODULE or word.endswith(_SCRIPT) for word in words
        )
    except (psutil.Error, ValueError):
        return False


def signal_daemon(pid: int, kind: signal.Signals) -> None:
    """Signal `pid` if it is a daemon's process."""
    if is_daemon(pid):
        try:
            os.kill(pid, kind)
        except ProcessLookupError:
            return
