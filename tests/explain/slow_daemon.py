"""The real daemon whose workers have a slow disk: `slow_daemon.py --home DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

from omlx_daemon.__main__ import main
from omlx_daemon.pool.worker_process import WorkerSpawner

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], WorkerSpawner((sys.executable, "-I", str(Path(__file__).with_name("slow_worker.py"))))))
