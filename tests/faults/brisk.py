"""The real daemon, whose cache is looked after many times a second: `brisk.py omlx_daemon --home DIR ...`."""

from __future__ import annotations

import sys

from omlx_daemon.__main__ import main
from omlx_daemon.cache import service

if __name__ == "__main__":
    service.UPKEEP_S = 0.1
    sys.exit(main(sys.argv[2:]))
