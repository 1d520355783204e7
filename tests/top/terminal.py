"""`omlx top` in a real pty, and the screen that a terminal would show."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pexpect
import pyte

from tests.e2e.conftest import CLI

_READ_BYTES = 1 << 16


class Terminal:
    """A terminal with a program in it. Like a real one it takes what comes at once, whatever the test does."""

    def __init__(self, process: Any, size: tuple[int, int]) -> None:
        self.received = b""
        self._process = process
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._drawing = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The program's process."""
        return int(self._process.pid)

    @property
    def text(self) -> str:
        """What stands on the screen, after all that came so far."""
        with self._drawing:
            return "\n".join(line.rstrip() for line in self._screen.display)

    def _read(self) -> None:
        with suppress(OSError):  # what Linux says at the end
            while data := os.read(self._process.child_fd, _READ_BYTES):
                with self._drawing:
                    self.received += data
                    self._stream.feed(data)

    def see(self, *words: str, timeout_s: float = 90) -> str:
        """Wait until all of `words` are on the screen, and return its text."""
        deadline_s = time.monotonic() + timeout_s
        while missing := [word for word in words if word not in self.text]:
            assert time.monotonic() < deadline_s, f"no {missing} in\n{self.text}"
            time.sleep(0.02)
        return self.text

    def lose(self, *words: str, timeout_s: float = 90) -> str:
        """Wait until none of `words` is on the screen, and return its text."""
        deadline_s = time.monotonic() + timeout_s
        while left := [word for word in words if word in self.text]:
            assert time.monotonic() < deadline_s, f"still {left} in\n{self.text}"
            time.sleep(0.02)
        return self.text

    def press(self, keys: str) -> None:
        """Type."""
        self._process.send(keys)

    def resize(self, cells: int, rows: int) -> None:
        """Make the terminal another size, and empty."""
        with self._drawing:
            self._screen.resize(rows, cells)
            self._screen.reset()
        self._process.setwinsize(rows, cells)

    def left(self) -> int | None:
        """Wait for the program's end, and return its exit code."""
        self._reader.join(timeout=60)
        assert not self._reader.is_alive(), f"it goes on:\n{self.text}"
        self._process.close()
        code: int | None = self._process.exitstatus
        return code

    def close(self) -> None:
        """End the program, if it has not ended."""
        self._process.terminate(force=True)
        self._reader.join(timeout=60)
        self._process.close()


@contextmanager
def terminal(*words: str, environment: Mapping[str, str], size: tuple[int, int] = (120, 40)) -> Iterator[Terminal]:
    """Yield a terminal with `omlx WORDS` in it, whose size is not the one that the environment tells."""
    kind = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    shown = {**environment, **kind, "COLUMNS": "33", "LINES": "11"}
    spawn: Any = pexpect.spawn
    process = spawn(CLI[0], [*CLI[1:], *words], env=shown, dimensions=(size[1], size[0]), timeout=60, encoding=None)
    opened = Terminal(process, size)
    try:
        yield opened
    finally:
        opened.close()
