"""The daemon as a plain detached process, which says on a pipe when it is ready."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO

import msgspec

from omlx_cli.contract import files, storage
from omlx_cli.contract.errors import Code, ErrorBody, OmlxError
from omlx_cli.contract.paths import FILE_MODE, Paths

EXIT_LOCKED = 75
"""The daemon's exit code where another daemon holds the lock."""

_EXIT_WAIT_S = 5.0


def daemon_command(paths: Paths) -> list[str]:
    """Return the command line of the daemon of one home."""
    return [sys.executable, "-I", "-X", "utf8", "-m", "omlx_daemon", "--home", str(paths.home)]


class _ReadyLine(msgspec.Struct, frozen=True):
    ready: bool = False
    error: ErrorBody | None = None


class ProcessService:
    """Starts `command` (the real daemon unless told otherwise) in a session of its own."""

    def __init__(self, paths: Paths, command: Sequence[str] = ()) -> None:
        self._paths = paths
        self._command = list(command) or daemon_command(paths)

    def describe(self) -> str:
        """Return in a few words how the daemon is started."""
        return "a detached process"

    def stop(self) -> None:
        """Do nothing: nobody but a command starts the process again."""

    def start(self, timeout_s: float) -> None:
        """Start the daemon and return when it is ready.

        Raises OmlxError: what the daemon itself reported, ALREADY_RUNNING where another one holds the lock,
        DAEMON_UNREACHABLE where it ended early. Raises TimeoutError after `timeout_s`; the process is ended then.
        """
        ready, ready_end = os.pipe()
        log_bytes = self._log_bytes()
        try:
            try:
                process = self._spawn(ready_end)
            finally:
                os.close(ready_end)
            line = _read_line(ready, time.monotonic() + timeout_s)
        finally:
            os.close(ready)
        if line is None:
            _end(process)
            raise TimeoutError
        self._check(line, process, log_bytes)

    def _spawn(self, ready_end: int) -> subprocess.Popen[bytes]:
        with self._boot_log() as log:
            try:
                return subprocess.Popen(
                    [*self._command, "--ready-fd", str(ready_end)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    start_new_session=True,
                    pass_fds=(ready_end,),
                )
            except OSError as error:
                raise OmlxError(
                    Code.DAEMON_UNREACHABLE, f"cannot start the daemon: {error}", "omlx doctor  checks the installation"
                ) from error

    def _printed(self, log_bytes: int) -> bytes:
        try:
            return files.read_bytes(self._paths.boot_log)[log_bytes:]
        except OSError:
            return b""

    def _log_bytes(self) -> int:
        try:
            return self._paths.boot_log.stat().st_size
        except OSError:
            return 0

    def _boot_log(self) -> IO[bytes]:
        """Open the log. Raises OmlxError."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            files.check(self._paths.boot_log)
            return os.fdopen(os.open(self._paths.boot_log, flags, FILE_MODE), "wb")
        except OSError as error:
            raise storage.unusable(error, f"cannot write {self._paths.boot_log}") from error

    def _check(self, line: bytes, process: subprocess.Popen[bytes], log_bytes: int) -> None:
        """Return if the daemon is ready; what it printed stands in the boot log from `log_bytes` on."""
        try:
            found = msgspec.json.decode(line, type=_ReadyLine)
        except msgspec.DecodeError:
            found = _ReadyLine()
        if found.ready:
            # The daemon outlives this process: it is init's child soon, and nobody's to wait for.
            process.returncode = 0
            return
        exit_code = _wait(process)
        if found.error:
            raise OmlxError.of(found.error)
        if exit_code == EXIT_LOCKED:
            raise OmlxError(Code.ALREADY_RUNNING, "another daemon holds the lock")
        raise self._ended(exit_code, log_bytes)

    def _ended(self, exit_code: int | None, log_bytes: int) -> OmlxError:
        how = "" if exit_code is None else f" (exit code {exit_code})" if exit_code >= 0 else f" (signal {-exit_code})"
        last = _last_line(self._printed(log_bytes))
        message = f"the daemon ended while starting{how}" + (f": {last}" if last else "")
        return OmlxError(Code.DAEMON_UNREACHABLE, message, f"{self._paths.boot_log}  holds what it printed")


def _read_line(file: int, deadline_s: float) -> bytes | None:
    """Return what the pipe holds up to a line's end or its close; None where the deadline passes first."""
    data = b""
    while not data.endswith(b"\n"):
        left_s = deadline_s - time.monotonic()
        if left_s <= 0 or not select.select([file], [], [], left_s)[0]:
            return None
        part = os.read(file, 65536)
        if not part:
            break
        data += part
    return data


def _wait(process: subprocess.Popen[bytes]) -> int | None:
    """Return the exit code of a process that closed its pipe; None where it had to be ended."""
    try:
        return process.wait(_EXIT_WAIT_S)
    except subprocess.TimeoutExpired:
        _end(process)
        return None


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_EXIT_WAIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_line(log: bytes) -> str:
    lines = [line for line in log.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
