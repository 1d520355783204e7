"""The environment that workers have, for benchmarks that do a worker's work in a process of their own."""

from __future__ import annotations

import os
import sys

from omlx_daemon.pool.worker_process import environment


def become_worker(module: str) -> None:
    """Start `module` anew with a worker's environment, unless this process has it: the C library reads it once."""
    made = environment(os.environ)
    if made != dict(os.environ):
        os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], made)
