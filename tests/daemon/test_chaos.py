"""Many clients, all sorts of requests, workers killed among them: each request ends once and nothing is left behind.

`OMLX_TEST_CHAOS` sets how many requests there are.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract import routes
from tests.daemon.chaos import Wish, play
from tests.daemon.conftest import Home, until
from tests.worker.models import write_model

REQUESTS = int(os.environ.get("OMLX_TEST_CHAOS", "200"))
CLIENTS = 64
KILL_EVERY_S = 10.0
KILL_AFTER = 20
"""In a short run a worker is killed whenever so many requests were answered, so that it happens at all."""
BLOCKED_S = 0.05
MODEL = "tiny"
WATCHED = Path(__file__).with_name("watched.py")


class Watched:
    """A daemon whose event loop is watched."""

    def __init__(self, home: Home, pulse: Path) -> None:
        self.home = home
        self._pulse = pulse
        self.running = home.start(command=(sys.executable, "-I", str(WATCHED), str(pulse)))
        self.address = str(home.info()["address"])
        self._answered = 0

    def play(self, numbers: range) -> Counter[str]:
        """Have the clients send these requests; return how they ended."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            return Counter(clients.map(self._play_one, numbers))

    def _play_one(self, number: int) -> str:
        end = play(self.address, Wish.of(number, MODEL))
        self._answered += end == "answered"
        return end

    @contextmanager
    def killing(self) -> Iterator[list[int]]:
        """Kill the worker every now and then; gives the list of those that were killed."""
        killed: list[int] = []
        over = threading.Event()

        def kill() -> None:
            while not self._wait_to_kill(over):
                pids = [row["pid"] for row in self.rows() if row["pid"] and row["state"] in ("busy", "idle")]
                for pid in pids:
                    os.kill(pid, signal.SIGKILL)
                killed.extend(pids)

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            yield killed
        finally:
            over.set()
            thread.join()

    def _wait_to_kill(self, over: threading.Event) -> bool:
        """Wait for the next time to kill; return whether all is over."""
        if REQUESTS >= 1000:
            return over.wait(KILL_EVERY_S)
        due = self._answered + KILL_AFTER
        while self._answered < due and not over.wait(0.02):
            pass
        return over.is_set()

    def rows(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.home.call("GET", routes.PS)[1]["models"]
        return found

    def settled(self) -> dict[str, Any]:
        """Return the figures of the daemon once no request is left in it."""
        until(lambda: self.home.call("GET", routes.REQUESTS)[1]["requests"] == [], 60)
        until(lambda: all(row["state"] in ("idle", "crashed") for row in self.rows()), 60)
        steady: list[tuple[int, int]] = []

        def is_steady() -> bool:
            now = self.figures()
            steady.append((len(now["tasks"]), now["fds"]))
            return len(steady) > 50 and len(set(steady[-50:])) == 1

        until(is_steady, 60)
        return self.figures()

    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._pulse.read_text())
        return found


@pytest.fixture
def watched(home: Home, tmp_path: Path) -> Watched:
    """Return a watched daemon with a real, tiny model."""
    write_model(home.paths.models / MODEL)
    home.configure('[server]\nport = 0\n[scheduler]\nmax_queued = 64\n[daemon]\nlog_level = "warning"\n')
    return Watched(home, tmp_path / "pulse.json")


@pytest.mark.timeout(120 + REQUESTS)
def test_every_request_ends_once_and_nothing_is_left(watched: Watched) -> None:
    watched.play(range(CLIENTS))
    watched.home.call("POST", routes.LOAD, {"model": MODEL})
    before = watched.settled()
    with watched.killing() as killed:
        ends = watched.play(range(CLIENTS, CLIENTS + REQUESTS))
    watched.home.call("POST", routes.LOAD, {"model": MODEL})
    after = watched.settled()
    sys.stderr.write(f"\n{dict(ends)}, {len(killed)} workers killed, {figures(before)} -> {figures(after)}\n")
    assert sum(ends.values()) == REQUESTS
    assert killed
    assert {"answered", "left", "cancelled", "worker_crashed"} <= set(ends)
    assert [row["state"] for row in watched.rows()] == ["idle"]
    assert after["tasks"] == before["tasks"]
    assert after["fds"] <= before["fds"] + 1
    assert after["rss_bytes"] <= before["rss_bytes"] + (32 << 20)
    assert "ERROR" not in watched.home.paths.daemon_log.read_text()
    assert after["worst_s"] <= BLOCKED_S, after["where"]
    watched.running.process.terminate()
    assert watched.running.wait()[0] == 0


def figures(found: dict[str, Any]) -> str:
    return f"{len(found['tasks'])} tasks, {found['fds']} fds, {found['rss_bytes'] >> 20} MiB, {found['worst_s']:.3f} s"
