"""Where the daemon's messages go."""

from __future__ import annotations

import faulthandler
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.contract.settings import DaemonSettings
from omlx_cli.contract.units import parse_size_bytes

FAULTS = "fault.log"
"""Beside the log: the stacks of a crash of the interpreter itself."""

_FORMAT = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")


def start(path: Path, settings: DaemonSettings, *, foreground: bool) -> None:
    """Log to `path`, rotated, and to stderr in the foreground. Raises OmlxError where the file cannot be written."""
    try:
        handler = RotatingFileHandler(
            path,
            maxBytes=parse_size_bytes(settings.log_size),
            backupCount=settings.log_files - 1,
            encoding="utf-8",
        )
        faults = path.with_name(FAULTS).open("a")
    except OSError as error:
        raise OmlxError(Code.INTERNAL, f"cannot write {path}: {error.strerror}", "see who owns the folder") from error
    faulthandler.enable(faults)
    root = logging.getLogger()
    handlers: list[logging.Handler] = [handler]
    if foreground:
        handlers.append(logging.StreamHandler(sys.stderr))
    for each in handlers:
        each.setFormatter(_FORMAT)
        root.addHandler(each)
    logging.captureWarnings(True)
    set_level(settings)


def set_level(settings: DaemonSettings) -> None:
    """Log what is at least as grave as `daemon.log_level`; of the HTTP server warnings at least."""
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    logging.getLogger("uvicorn").setLevel(max(root.level, logging.WARNING))
