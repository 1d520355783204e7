"""The real worker on a machine that is slow to read a block and to decode a token."""

from __future__ import annotations

import time
from typing import Any

from omlx_daemon.coldstore.blockfile import OpenBlock
from omlx_daemon.worker.__main__ import main
from omlx_daemon.worker.backend.runner import BatchRunner

SLOW = ((OpenBlock, "read_pieces", 2.0), (BatchRunner, "step", 0.05))
"""What takes how many seconds longer: more than computing a prompt, or asking again, takes on any machine."""


def _slowly(call: Any, seconds: float) -> Any:
    def slower(*arguments: Any) -> Any:
        time.sleep(seconds)
        return call(*arguments)

    return slower


if __name__ == "__main__":
    for kind, name, seconds in SLOW:
        setattr(kind, name, _slowly(getattr(kind, name), seconds))
    main()
