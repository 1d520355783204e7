"""A daemon of a few lines, for the tests of start and stop: it locks, listens, says that it is ready, and ends.

The words are `omlx_daemon MODE --home DIR --ready-fd N`; every start appends its process id to `DIR/started`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from pathlib import Path

from omlx_cli.contract import sockets
from tests.cli.stand_in import StandIn, serving


def main() -> None:
    mode, home, ready_fd = sys.argv[2], Path(sys.argv[4]), int(sys.argv[6])
    with (home / "started").open("a") as started:
        started.write(f"{os.getpid()}\n")
    if mode == "error":
        os.write(ready_fd, b'{"error":{"code":"port_in_use","message":"port 8000 is taken","hint":"take another"}}\n')
        sys.exit(1)
    if mode == "crash":
        sys.exit("ModuleNotFoundError: no engine")
    if mode == "wedge":
        signal.pause()
    serve(home, ready_fd)


def serve(home: Path, ready_fd: int) -> None:
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    lock = (home / "run" / "daemon.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit(75)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    stand_in = StandIn(Path(sockets.socket_path(str(home))), pid=os.getpid(), on_shutdown=stopped.set)
    with serving(stand_in):
        os.write(ready_fd, b'{"ready": true}\n')
        os.close(ready_fd)
        stopped.wait(60)


if __name__ == "__main__":
    main()
