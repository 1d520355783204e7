"""A daemon in a process of its own, on a free port, with doubles for workers."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.paths import Paths

LAUNCH = Path(__file__).with_name("launch.py")
DAEMON = (sys.executable, "-I", "-X", "utf8", "-m", "omlx_daemon")


@dataclass
class Running:
    """One started daemon and what it said on its ready pipe."""

    process: subprocess.Popen[str]
    said: dict[str, Any]

    def wait(self) -> tuple[int, str]:
        """Return the exit code and stderr when the daemon has ended."""
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@dataclass
class Home:
    """A home whose daemons all end with the test."""

    path: Path
    started: list[Running] = field(default_factory=list)
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    @property
    def paths(self) -> Paths:
        return Paths(self.path)

    def start(self, *words: str, command: tuple[str, ...] = DAEMON) -> Running:
        """Start a daemon and return when it is ready, or has said why not."""
        ready, ready_end = os.pipe()
        process = subprocess.Popen(
            [*command, "--home", str(self.path), "--ready-fd", str(ready_end), *words],
            pass_fds=(ready_end,), stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        os.close(ready_end)
        with os.fdopen(ready) as pipe:
            line = pipe.read()
        running = Running(process, json.loads(line) if line else {})
        self.started.append(running)
        return running

    def launch(self, *words: str) -> Running:
        """Start a daemon whose workers are doubles."""
        return self.start(*words, command=(sys.executable, "-I", str(LAUNCH)))

    def configure(self, text: str) -> None:
        self.path.mkdir(mode=0o700, exist_ok=True)
        self.paths.config.write_text(text)

    def add_model(self, name: str) -> None:
        """Put down a model that the registry takes for a real one; the double loads it by its name."""
        folder = self.paths.models / name
        folder.mkdir(parents=True, mode=0o700)
        (folder / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 512}))
        (folder / "tokenizer.json").write_text("{}")
        header = b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
        (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.paths.daemon_info.read_text())
        return found

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection over the unix socket."""
        connection = http.client.HTTPConnection("localhost", timeout=60)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.connections.append(connection)
        connection.sock.settimeout(60)
        connection.sock.connect(str(self.paths.socket))
        return connection

    def call(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Return status and document of one call over the unix socket."""
        connection = self.connect()
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, {"content-type": "application/json"} if content else {})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        for running in self.started:
            running.process.kill()
            if running.process.stderr is not None and not running.process.stderr.closed:
                running.process.communicate(timeout=30)


@pytest.fixture
def home(omlx_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Return a home with a free port, of which nothing is left running."""
    monkeypatch.setenv("HOME", str(tmp_path))
    made = Home(omlx_home)
    made.configure("[server]\nport = 0\n")
    yield made
    made.close()


def until(condition: Callable[[], object], timeout_s: float = 30) -> None:
    """Poll until `condition` holds."""
    end_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end_s, "it did not happen in time"
        time.sleep(0.01)
