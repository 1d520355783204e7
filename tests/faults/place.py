"""A home that things happen to, and the commands of a user to whom mode bits apply."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from omlx_cli.contract import routes
from omlx_cli.contract.paths import Paths
from omlx_daemon.coldstore import names
from omlx_daemon.coldstore.names import BLOCK_TOKENS
from tests.cachewire.driving import Client
from tests.e2e.conftest import CLI, Home
from tests.waiting import wait_until

_CAPABILITIES = "-dac_override,-dac_read_search"
BOUND = () if os.getuid() else ("setpriv", f"--bounding-set={_CAPABILITIES}", f"--inh-caps={_CAPABILITIES}")
"""What a command begins with so that root, too, may do only what mode bits allow."""


@dataclass(frozen=True)
class Place(Home):
    """One omlx home, and what may have become of it."""

    @property
    def paths(self) -> Paths:
        return Paths(self.path)

    def run(self, *words: str, stdin: str | None = None, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
        """Run one `omlx` command to its end."""
        return subprocess.run(
            [*BOUND, *CLI, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            input=stdin or "",
            timeout=timeout_s,
            check=False,
        )

    def well(self, *words: str) -> str:
        """Run one command that must succeed without a word on stderr; return its stdout."""
        done = self.run(*words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def warned(self, *words: str) -> list[str]:
        """Run one command that must succeed; return what it warns of."""
        done = self.run(*words)
        assert done.returncode == 0, done
        lines = done.stderr.splitlines()
        assert all(line.startswith("warning: ") for line in lines), lines
        return [line.removeprefix("warning: ") for line in lines]

    def refused(self, *words: str, code: int) -> tuple[str, str]:
        """Run one command that must fail with one line, and at most one hint; return both."""
        done = self.run(*words)
        assert done.returncode == code, done
        error, *hints = done.stderr.splitlines()
        assert error.startswith("error: "), error
        assert len(hints) <= 1 and all(hint.startswith("hint: ") for hint in hints), hints
        return error.removeprefix("error: "), "".join(hints).removeprefix("hint: ")

    def status(self) -> dict[str, Any]:
        """Return the whole status."""
        done = self.run("status", "--json")
        assert done.returncode == 0, done
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def daemon(self) -> dict[str, Any]:
        """Return the running daemon's description of itself."""
        found: dict[str, Any] = self.status()["daemon"]
        return found

    def pid(self) -> int:
        return int(self.daemon()["pid"])

    def models(self) -> list[str]:
        """Return the models on disk."""
        return [row["name"] for row in json.loads(self.well("ls", "--json"))["models"]]

    def pinned(self) -> list[str]:
        """Return the models that the daemon remembers as pinned."""
        found: list[str] = json.loads(self.paths.state.read_text())["pinned"]
        return found

    def daemons(self) -> list[psutil.Process]:
        """Return the daemon processes of this home."""
        return [process for process in psutil.process_iter() if self._is_daemon(process)]

    def log(self) -> str:
        return self.paths.daemon_log.read_text()

    def check_logs(self) -> None:
        """See that no traceback stands in any log, and that no more than one daemon runs."""
        for file in self.path.glob("logs/*.log*"):
            assert "Traceback" not in file.read_text(errors="replace"), file
        assert len(self.daemons()) <= 1

    def _is_daemon(self, process: psutil.Process) -> bool:
        try:
            words = process.cmdline()
        except psutil.Error:
            return False
        return "omlx_daemon" in words and str(self.path) in words


def remaining(place: Place) -> Callable[[], bool]:
    """Return a question, asked without a command: is nothing wrong with the home any more?"""
    return lambda: not Client(place).call("GET", routes.STATUS)["daemon"]["troubles"]


@contextmanager
def standing_still(pid: int) -> Iterator[None]:
    """Have a process stand still while it lasts, so that what it works on is not done before it is looked at."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def await_sequence(client: Client, length: int) -> None:
    """Wait until a sequence of so many tokens or more is all that is on disk, the tail of its prompt gone."""

    def is_there() -> bool:
        tokens = [_tokens(file) for file in client.files()]
        return sum(tokens) >= length and len(tokens) == -(-length // BLOCK_TOKENS)

    wait_until(is_there, why_not=lambda: f"{length} tokens are not in {client.files()}")


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def _tokens(file: Path) -> int:
    found = names.parse(file.name)
    assert found is not None
    return found.tokens
