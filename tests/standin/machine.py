"""A user's machine with a stand-in for its service manager, on which the real `omlx` starts the real daemon."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from omlx_cli.contract.paths import Paths
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
CLIENT = Path(__file__).with_name("client.py")
_STATE = "STANDIN_STATE"
_LOWEST_PORT, _PORTS, _SHARES = 20_000, 3_000, 4
"""Test processes that run side by side have ports of their own."""


@dataclass
class Machine:
    """`tool` is the manager's command, `module` the stand-in that answers it; everything ends with `close`."""

    folder: Path
    tool: str
    module: str
    words: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.folder / "user"
        self.home.mkdir()
        self.state = Path(tempfile.mkdtemp(prefix="omlx-standin-"))
        self.port = free_port()
        self.paths = Paths(self.home / ".omlx")
        self.configure()
        self._put_tool()
        self._server = self._serve()

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the user's shell."""
        return {
            "HOME": str(self.home),
            "PATH": f"{self.folder / 'bin'}:/usr/bin:/bin",
            "NO_COLOR": "1",
            _STATE: str(self.state),
            **self.extra,
        }

    def configure(self, text: str = "", port: int | None = None) -> None:
        """Write `config.toml`."""
        self.paths.home.mkdir(mode=0o700, exist_ok=True)
        self.paths.config.write_text(f"[server]\nport = {self.port if port is None else port}\n{text}")

    def omlx(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one `omlx` command to its end."""
        return subprocess.run(
            [sys.executable, "-I", "-m", "omlx_cli", *words],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=90,
            check=False,
        )

    def well(self, *words: str, **environment: str) -> str:
        """Run one command that must succeed without a word on stderr; return its stdout."""
        done = self.omlx(*words, **environment)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """Start one `omlx` command."""
        return subprocess.Popen(
            [sys.executable, "-I", "-m", "omlx_cli", *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def manager(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Call the service manager as a user would."""
        return subprocess.run(
            [str(self.folder / "bin" / self.tool), *words],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def curl(self, path: str = "/health") -> dict[str, Any]:
        """Ask over TCP, as any API client does; the first answer may need a daemon to be started."""
        done = subprocess.run(
            ["curl", "-sS", "--max-time", "60", f"http://127.0.0.1:{self.port}{path}"],
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status(self) -> dict[str, Any]:
        """Return the running daemon, as `omlx status` sees it."""
        found: dict[str, Any] = json.loads(self.well("status", "--json"))["daemon"]
        return found

    def service(self) -> dict[str, Any]:
        """Return what `omlx service status` tells."""
        found: dict[str, Any] = json.loads(self.well("service", "status", "--json"))
        return found

    def wish(self, **knobs: object) -> None:
        """Have the stand-in behave in a way that the real one does at times."""
        path = self.state / "knobs.json"
        now = json.loads(path.read_text()) if path.exists() else {}
        new = path.with_suffix(".new")
        new.write_text(json.dumps({**now, **knobs}))
        new.replace(path)

    def journal(self, event: str = "") -> list[dict[str, Any]]:
        """Return what happened, or what was asked, in order."""
        path = self.state / "journal.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [line for line in lines if line.get("event", "") == event]

    def asked(self, verb: str) -> int:
        """Return how often the service manager was asked for `verb`."""
        return sum(verb in line["words"] for line in self.journal())

    def daemons(self) -> list[int]:
        """Return the daemons of this user."""
        return [process.pid for process in self._processes() if _is_daemon(process)]

    def wait_gone(self) -> None:
        """Return when no daemon is left."""
        wait_until(lambda: not self.daemons())

    def close(self) -> None:
        """End the stand-in and everything that runs for this user."""
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait(30)
        assert self._server.stdout is not None
        self._server.stdout.close()
        for process in self._processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.state, ignore_errors=True)

    def _processes(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home) and process.pid != self._server.pid:
                    found.append(process)
        return found

    def _put_tool(self) -> None:
        tool = self.folder / "bin" / self.tool
        tool.parent.mkdir()
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {CLIENT} {_STATE} "$@"\n')
        tool.chmod(0o755)

    def _serve(self) -> subprocess.Popen[str]:
        server = subprocess.Popen(
            [sys.executable, "-m", self.module, str(self.state), *self.words],
            cwd=ROOT,
            env={**self.environment, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None
        assert server.stdout.readline() == "up\n"
        return server


def _is_daemon(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return any(word == "omlx_daemon" or word.endswith("/omlx-daemon") for word in words)


def free_port() -> int:
    """Return a port that nobody uses now, and that nobody gets who asks for any: those of a system are higher up."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    lowest = _LOWEST_PORT + number % _SHARES * _PORTS
    while True:
        port = lowest + secrets.randbelow(_PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def ask(port: int, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
    """Return status and body of one request over TCP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
