"""Clients that do not read, or are gone, beside others that read on."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.daemon.conftest import Home, Running, until

PACED = Path(__file__).parents[2] / "benchmarks" / "paced_daemon.py"
MANY = 10_000_000
GROWTH_BYTES = 64 << 20


class Client:
    """One stream of the paced worker's, over TCP; it reads when it is told to."""

    def __init__(self, home: Home, tokens: int, *, together: int, words: int = 1) -> None:
        """Ask for `tokens` of so many words, one a step; the steps begin when `together` requests are there."""
        host, _, port = home.info()["address"].rpartition(":")
        self.connection = socket.socket()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        self.connection.settimeout(60)
        self.connection.connect((host, int(port)))
        body = {
            "model": "paced", "messages": [{"role": "user", "content": "x"}], "max_tokens": tokens, "stream": True,
            "user": f"{together} 0.001 {words}",
        }  # fmt: skip
        content = json.dumps(body).encode()
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(content)}\r\n"
        self.connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + content)
        self.received = b""

    def read_until(self, sign: bytes) -> bytes:
        while sign not in self.received[-(1 << 17) :]:
            data = self.connection.recv(1 << 16)
            assert data, f"the stream broke off: {self.received[-300:]!r}"
            self.received += data
        return self.received


@pytest.fixture
def paced(home: Home) -> Iterator[Running]:
    home.configure("[server]\nport = 0\n[cache]\nenabled = false\n")
    home.add_model("paced")
    config = home.paths.models / "paced" / "config.json"
    config.write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 1 << 30}))
    yield home.start(command=(sys.executable, "-I", str(PACED)))


def running(home: Home) -> int:
    status, document = home.call("GET", "/omlx/v1/status")
    assert status == 200
    return int(document["running"]) + int(document["queued"])


def test_one_that_does_not_read_is_stopped_and_holds_up_nobody(home: Home, paced: Running) -> None:
    process = psutil.Process(paced.process.pid)
    before_bytes = process.memory_info().rss
    asleep, awake = Client(home, MANY, together=2, words=200), Client(home, 1000, together=2)
    assert awake.read_until(b"[DONE]").count(b" word") == 1000
    until(lambda: running(home) == 0)
    assert process.memory_info().rss - before_bytes < GROWTH_BYTES
    asleep.read_until(b"read too slowly")
    for client in (asleep, awake):
        client.connection.close()


def test_those_that_leave_are_not_worked_for(home: Home, paced: Running) -> None:
    leaving = [Client(home, MANY, together=12) for _ in range(8)]
    staying = [Client(home, 500, together=12) for _ in range(4)]
    for client in leaving:
        client.read_until(b" word")
        client.connection.close()
    for client in staying:
        assert client.read_until(b"[DONE]").count(b" word") == 500
        client.connection.close()
    until(lambda: running(home) == 0)
