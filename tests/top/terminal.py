"""`omlx top` in a real pty, and the screen that a terminal would show."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pexpect
import pyte

from tests.e2e.conftest import CLI


class Terminal:
    """A terminal with a program in it."""

    def __init__(self, process: Any, size: tuple[int, int]) -> None:
        self.received = b""
        self._process = process
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def text(self) -> str:
        """What stands on the screen, after all that came so far."""
        self._read(pexpect.TIMEOUT)
        return "\n".join(line.rstrip() for line in self._screen.display)

    def _read(self, *ends: type[Exception], timeout_s: float = 0) -> None:
        with suppress(pexpect.EOF, *ends):
            while True:
                data = self._process.read_nonblocking(1 << 16, timeout=timeout_s)
                self.received += data
                self._stream.feed(data)

    def see(self, *words: str, timeout_s: float = 90) -> str:
        """Wait until all of `words` are on the screen, and return its text."""
        deadline_s = time.monotonic() + timeout_s
        while not all(word in self.text for word in words):
            assert time.monotonic() < deadline_s, f"no {words} in\n{self.text}"
            time.sleep(0.02)
        return self.text

    def press(self, keys: str) -> None:
        """Type."""
        self._process.send(keys)

    def left(self) -> int | None:
        """Wait for the program's end, and return its exit code."""
        self._read(timeout_s=60)
        self._process.close()
        code: int | None = self._process.exitstatus
        return code


@contextmanager
def terminal(*words: str, environment: Mapping[str, str], size: tuple[int, int] = (120, 40)) -> Iterator[Terminal]:
    """Yield a terminal with `omlx WORDS` in it."""
    shown = {**environment, "TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"}
    shown.pop("COLUMNS", None)
    spawn: Any = pexpect.spawn
    process = spawn(CLI[0], [*CLI[1:], *words], env=shown, dimensions=(size[1], size[0]), timeout=60, encoding=None)
    try:
        yield Terminal(process, size)
    finally:
        process.close(force=True)
