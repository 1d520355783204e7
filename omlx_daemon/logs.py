"""Where the daemon's messages go."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import TextIO

from omlx_cli.contract import storage
from omlx_cli.contract.files import check
from omlx_cli.contract.paths import DIRECTORY_MODE
from omlx_cli.contract.settings import DaemonSettings
from omlx_cli.contract.units import parse_size_bytes
from omlx_daemon.core import files
from omlx_daemon.core.entries import EntryFormatter

FAULTS = "fault.log"
"""Beside the log: the stacks of a crash of the interpreter itself."""


class LogFile(RotatingFileHandler):
    """The log. Made anew where it was deleted; what a full disk does not take is counted, and told afterwards."""

    def __init__(self, path: Path, size_bytes: int, files: int) -> None:
        """Open the log and the file of faults beside it. Raises OSError."""
        super().__init__(path, maxBytes=size_bytes, backupCount=files - 1, encoding="utf-8")
        self._path = path
        self._lost = 0
        self.trouble = ""
        """Why nothing is written, or empty."""
        self._watch_faults()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one message; nothing is raised."""
        self._write(record)

    def try_again(self) -> None:
        """Tell of the messages that were lost, where some were: the next one may be long in coming."""
        self.acquire()
        try:
            lost = self._lost
            if lost:
                self._write()
                # What tells of them is no message of its own.
                self._lost = min(self._lost, lost)
        finally:
            self.release()

    def handleError(self, record: logging.LogRecord) -> None:
        """Count what was not written, instead of printing a traceback."""
        error = sys.exc_info()[1]
        self._lose(error if isinstance(error, OSError) else OSError(0, str(error)))

    def _write(self, *records: logging.LogRecord) -> None:
        try:
            self._find_again()
        except OSError as error:
            self._lose(error)
            return
        told, before = self._missing(), self._lost
        for each in (*told, *records):
            super().emit(each)
        if self._lost == before:
            self._lost, self.trouble = 0, ""

    def _lose(self, error: OSError) -> None:
        self._lost += 1
        self.trouble = f"{self._path} cannot be written: {storage.reason(error)}"
        # What a buffer still holds would fail again, and a torn line would be followed by the rest of another.
        self._let_go()

    def _missing(self) -> list[logging.LogRecord]:
        if not self._lost:
            return []
        text = f"{self._lost} messages are missing here; {self.trouble}"
        return [logging.LogRecord(__name__, logging.WARNING, __file__, 0, text, None, None)]

    def _find_again(self) -> None:
        """Let go of a file that is no longer the one at the log's path, and make its folder.

        Raises OSError, also where something lies there that is no file: a pipe would hold the daemon up.
        """
        if self.stream is not None and files.is_at(self.stream.fileno(), self._path):
            return
        self._let_go()
        check(self._path)
        if not self._path.parent.exists():
            self._path.parent.mkdir(mode=DIRECTORY_MODE)
            self._watch_faults()

    def _let_go(self) -> None:
        stream = self.stream
        if stream is not None:
            # logging opens it again when there is none.
            self.stream = None
            with contextlib.suppress(OSError):
                stream.close()

    def _watch_faults(self) -> None:
        faulthandler.enable(self._path.with_name(FAULTS).open("a"))


class Terminal(logging.StreamHandler[TextIO]):
    """stderr in the foreground; one that is gone or full is no trouble of the daemon's."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Say nothing: there is nobody to say it to."""


def start(path: Path, settings: DaemonSettings, *, foreground: bool) -> LogFile:
    """Log to `path`, rotated, and to stderr in the foreground. Raises OmlxError where the file cannot be opened."""
    try:
        check(path)
        check(path.with_name(FAULTS))
        file = LogFile(path, parse_size_bytes(settings.log_size), settings.log_files)
    except OSError as error:
        raise storage.unusable(error, f"cannot write {path}") from error
    root = logging.getLogger()
    handlers: list[logging.Handler] = [file]
    if foreground:
        handlers.append(Terminal(sys.stderr))
    for each in handlers:
        each.setFormatter(EntryFormatter())
        root.addHandler(each)
    logging.captureWarnings(True)
    set_level(settings)
    return file


def set_level(settings: DaemonSettings) -> None:
    """Log what is at least as grave as `daemon.log_level`; of the HTTP server warnings at least."""
    root = logging.getLogger()
    root.setLevel(settings.log_level.upper())
    logging.getLogger("uvicorn").setLevel(max(root.level, logging.WARNING))
