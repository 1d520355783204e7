"""Waiting for a daemon that a service manager starts: there is no pipe to it, only its socket and its last words."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omlx_cli.contract import files
from omlx_cli.contract.errors import Code, OmlxError

EXIT_LOCKED = 75
_EXIT_USAGE = 2
_EXIT_CANNOT_RUN = (78, 203)
"""What launchd and systemd report of a program that they could not run."""
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.01, 0.1
_LOOK_S = 0.25


@dataclass(frozen=True, slots=True)
class Ended:
    """How a daemon ended while starting, in the manager's words; `code` None where a signal ended it."""

    code: int | None
    how: str


class Starting:
    """`is_ready` asks the daemon's socket; `log` takes what the daemon prints."""

    def __init__(self, is_ready: Callable[[], bool], log: Path) -> None:
        self._is_ready = is_ready
        self._log = log
        self._read_bytes = 0

    def begin(self) -> None:
        """Remember where the daemon's words will begin."""
        try:
            self._read_bytes = self._log.stat().st_size
        except OSError:
            self._read_bytes = 0

    def wait(self, deadline_s: float, look: Callable[[], Ended | None]) -> None:
        """Return when the daemon is ready; `look` asks the manager whether it ended instead.

        Raises OmlxError where it ended, TimeoutError at `deadline_s` by the monotonic clock.
        """
        pause_s, next_look_s = _FIRST_PAUSE_S, time.monotonic() + _LOOK_S
        while not self._is_ready():
            now_s = time.monotonic()
            if now_s > deadline_s:
                raise TimeoutError
            if now_s > next_look_s:
                ended = look()
                # It may have become ready and done its work between the two questions.
                if ended and not self._is_ready():
                    raise self.failure(ended)
                next_look_s = time.monotonic() + _LOOK_S
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

    def failure(self, ended: Ended) -> OmlxError:
        """Return the error of a daemon that ended while starting: what it said itself, else how it ended."""
        if ended.code == EXIT_LOCKED:
            return OmlxError(Code.ALREADY_RUNNING, "another daemon holds the lock")
        said = self._said()
        message, hint = said.get("error", ""), said.get("hint", "")
        if message and ended.code == _EXIT_USAGE:
            return OmlxError(Code.INVALID_CONFIG, message, hint)
        if not message and ended.code in _EXIT_CANNOT_RUN:
            message, hint = "its program cannot be run", "omlx service status  names it; reinstall omlx"
        return OmlxError(
            Code.DAEMON_UNREACHABLE,
            f"the daemon ended while starting ({ended.how})" + (f": {message or said.get('last', '')}".rstrip(": ")),
            hint or f"{self._log}  holds what it printed",
        )

    def _said(self) -> dict[str, str]:
        """Return the daemon's error, hint and last line."""
        try:
            with files.opened(self._log) as file:
                file.seek(self._read_bytes)
                text = file.read().decode(errors="replace")
        except OSError:
            return {}
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = {"last": lines[-1]} if lines else {}
        for line in lines:
            word, _, rest = line.partition(": ")
            if word in ("error", "hint"):
                said[word] = rest
        return said
