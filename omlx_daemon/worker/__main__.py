"""Process entry: `python -I -m omlx_daemon.worker --fd N`, or `--probe` for what a worker would find here."""

from __future__ import annotations

import argparse
import json
import logging
import os
import socket
import sys
from typing import NoReturn

from omlx_daemon.core.entries import EntryFormatter
from omlx_daemon.worker.process import end, run

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
}


def main() -> NoReturn:
    """Run a worker on an inherited socket until the daemon closes its end."""
    parser = argparse.ArgumentParser(prog="omlx-worker", description="Runs one model for the omlx daemon.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--fd", type=int, metavar="N", help="the inherited socket to the daemon")
    mode.add_argument("--probe", action="store_true", help="print what mlx computes with here, as JSON")
    arguments = parser.parse_args()
    os.environ.update(_OFFLINE)
    log_to_stderr()
    if arguments.probe:
        _probe()
    run(_inherited(arguments.fd))


def log_to_stderr() -> None:
    """Write entries of the daemon's log: the daemon reads them from here, and puts them into its own."""
    handler = logging.StreamHandler()
    handler.setFormatter(EntryFormatter())
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    logging.captureWarnings(True)


def _probe() -> NoReturn:
    from omlx_daemon.worker.backend.probe import probe

    sys.stdout.write(f"{json.dumps(probe())}\n")
    sys.stdout.flush()
    os._exit(0)


def _inherited(fd: int) -> socket.socket:
    try:
        connection = socket.socket(fileno=fd)
        connection.getpeername()
    except OSError as error:
        end(64, f"omlx-worker: file descriptor {fd} is no connected socket: {error.strerror}")
    connection.setblocking(True)
    return connection


if __name__ == "__main__":
    main()
