"""The CLI in this process or in one of its own, against a stand-in for the daemon."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pexpect
import pytest

from omlx_cli import cli
from omlx_cli.contract import sockets
from omlx_cli.contract.paths import Paths
from tests.cli.stand_in import StandIn, serving

OMLX = [sys.executable, "-I", "-m", "omlx_cli"]


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str


class Omlx(Protocol):
    """Runs `omlx` with words."""

    def __call__(self, *words: str) -> Ran: ...


@pytest.fixture
def paths(omlx_home: Path) -> Paths:
    """Return the paths of an empty home whose folders are made."""
    paths = Paths(omlx_home)
    paths.create()
    return paths


@pytest.fixture
def daemon(paths: Paths) -> Iterator[StandIn]:
    """Return a stand-in for the daemon that answers in this home."""
    with serving(StandIn(Path(sockets.socket_path(str(paths.home))))) as stand_in:
        yield stand_in


@pytest.fixture
def omlx(omlx_home: Path, capsys: pytest.CaptureFixture[str]) -> Omlx:
    """Return `omlx`, run in this process."""

    def run(*words: str) -> Ran:
        code = cli.main(words)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return run


def omlx_process(*words: str, stdin: str | None = None, **environment: str) -> Ran:
    """Run `omlx` in a process of its own, to its end."""
    done = subprocess.run(
        [*OMLX, *words],
        capture_output=True,
        text=True,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def omlx_on_a_terminal(*words: str, **environment: str) -> Any:
    """Return `omlx` running in a pty of 80 columns, as pexpect drives it."""
    spawn: Any = pexpect.spawn
    return spawn(
        OMLX[0],
        [*OMLX[1:], *words],
        env={**os.environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", **environment},
        dimensions=(24, 80),
        timeout=60,
        encoding="utf-8",
    )
