"""The real daemon with the pool's double as its worker: `launch.py --home DIR ...`."""

from __future__ import annotations

import sys
from pathlib import Path

from omlx_daemon.__main__ import main
from omlx_daemon.pool.worker_process import WorkerSpawner

DOUBLE = Path(__file__).parents[1] / "pool" / "wire_worker.py"

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], WorkerSpawner((sys.executable, "-I", str(DOUBLE)))))
