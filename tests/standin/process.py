"""One process of a service, in a session of its own, watched until it ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

SPAWN = Path(__file__).with_name("spawn.py")


class Process:
    """`on_exec` is called when the program runs, `on_exit` with the exit code (negative: the signal)."""

    def __init__(
        self,
        plan: dict[str, Any],
        pass_fds: Sequence[int],
        on_exec: Callable[[], None],
        on_exit: Callable[[int], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_exec = on_exec
        self._on_exit = on_exit
        # The far end closes by itself when the program is executed.
        self._line, end = os.pipe()
        self._popen = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SPAWN), json.dumps({**plan, "line": end})],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[*pass_fds, end],
        )
        os.close(end)
        self._loop.add_reader(self._line, self._executed)
        threading.Thread(target=self._wait, daemon=True).start()

    @property
    def pid(self) -> int:
        return self._popen.pid

    def send(self, kind: int) -> None:
        """Signal the process alone."""
        if self._popen.returncode is None:
            os.kill(self.pid, kind)

    def end_group(self, kind: int = signal.SIGTERM) -> None:
        """Signal whoever is left of its group."""
        try:
            os.killpg(self.pid, kind)
        except ProcessLookupError:
            return

    def _executed(self) -> None:
        self._loop.remove_reader(self._line)
        os.close(self._line)
        self._on_exec()

    def _wait(self) -> None:
        code = self._popen.wait()
        self._loop.call_soon_threadsafe(self._on_exit, code)
