"""The real daemon with the paced worker: `python -m benchmarks.paced_daemon --home DIR --ready-fd N`."""

from __future__ import annotations

import sys
from pathlib import Path

from omlx_daemon.__main__ import main
from omlx_daemon.pool.worker_process import WorkerSpawner

WORKER = (sys.executable, "-I", str(Path(__file__).with_name("paced_worker.py")))

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], WorkerSpawner(WORKER)))
