"""The dashboard in a real pty, on a real daemon with the real small model under load."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import msgspec
import pytest

from omlx_cli.contract.live import Snapshot
from omlx_cli.contract.units import format_bytes
from omlx_cli.top import figures
from tests.e2e.conftest import Home, make_home
from tests.top.terminal import terminal
from tests.top.watched import watched
from tests.waiting import wait_until


@pytest.fixture
def home(tmp_path: Path, smollm2_path: Path) -> Iterator[Home]:
    """Return a home with the small model, whose daemon is stopped afterwards."""
    made = make_home(tmp_path, smollm2_path)
    yield made
    made.stop()


ENDLESS_TOKENS = 4000
"""More than a request gets to before its daemon is killed, however slow the screen that is to show it."""


class Client(threading.Thread):
    """Asks for one long answer, and takes it or the error that ends it; the daemon may die meanwhile."""

    def __init__(self, base_url: str, number: int, tokens: int) -> None:
        super().__init__(daemon=True)
        self.answer = b""
        self._request = urllib.request.Request(
            f"{base_url}/v1/chat/completions",
            json.dumps(
                {
                    "model": "smollm2", "stream": True, "max_tokens": tokens,
                    "messages": [{"role": "user", "content": f"Count from {number} to a million, a number a line."}],
                    "logit_bias": {"2": -100},
                }
            ).encode(),
            {"content-type": "application/json"},
        )  # fmt: skip
        self.start()

    def run(self) -> None:
        with suppress(OSError, HTTPException), urllib.request.urlopen(self._request, timeout=100) as reply:
            self.answer = reply.read()


def snapshot(home: Home) -> Snapshot:
    done = home.run("top", "--json")
    assert done.returncode == 0, done.stderr
    return msgspec.json.decode(done.stdout, type=Snapshot)


@pytest.mark.model
def test_a_daemon_under_load_killed_and_started_again_from_the_dashboard(home: Home) -> None:
    assert home.run("load", "smollm2", "--ttl", "never").returncode == 0
    with terminal("top", environment=home.environment) as screen:
        screen.see("● live", "smollm2", "no request runs or waits")
        clients = [Client(home.base_url, number, ENDLESS_TOKENS) for number in range(4)]
        shown = screen.see("Requests 4", "● busy", "4 running", "decode")
        assert str(home.info()["pid"]) in shown

        screen.press("c")
        screen.see("Cancel req_", "its client gets an error")
        screen.press("y")
        screen.see("3 running", "cancelled")
        wait_until(lambda: any(b"cancelled" in client.answer for client in clients))

        screen.press("\r")
        screen.see("timeline", "arrived", "reused from RAM (hot)")
        screen.press("\x1b")
        screen.lose("timeline")

        home.kill()
        screen.see("press s to start it; above is how it was", "× not connected")
        screen.press("s")
        screen.see("● live", "no model is in memory")
        assert home.run("status").returncode == 0

        screen.press("q")
        assert screen.left() == 0
    for client in clients:
        client.join(timeout=30)


@pytest.mark.model
def test_what_it_shows_is_what_json_says(home: Home) -> None:
    assert home.run("load", "smollm2", "--ttl", "never").returncode == 0
    for number in (1, 1):
        Client(home.base_url, number, 8).join(timeout=100)
    with watched(home) as watch, terminal("top", environment=home.environment, size=(200, 50)) as screen:
        screen.see("● live", "2 requests in all")
        wait_until(lambda: told_all(watch.states[-1]))
        wait_until(lambda: still(snapshot(home)) in [still(known) for known in watch.states])
        seen_before = len(watch.states) - 1
        wait_until(
            lambda: any(missing(screen.text, known) == [] for known in watch.states[seen_before:]),
            why_not=lambda: f"no {missing(screen.text, watch.states[-1])} in\n{screen.text}",
        )
        screen.press("q")
        assert screen.left() == 0


def still(told: Snapshot) -> Snapshot:
    """Return a snapshot without what only time moves, and without the log, of which both know the last lines."""
    daemon = msgspec.structs.replace(told.daemon, uptime_s=0)
    return msgspec.structs.replace(told, at="", daemon=daemon, happenings=())


def told_all(told: Snapshot) -> bool:
    """Return whether both requests are counted, with what the second reused: workers tell that a little later."""
    return told.requests_total == 2 and any(tier.reused_tokens for tier in told.cache.tiers)


def missing(shown: str, told: Snapshot) -> list[str]:
    """Return the figures of a snapshot that are not on the screen."""
    assert told_all(told)
    memory, cache = told.memory, told.cache
    reused = sum(tier.reused_tokens for tier in cache.tiers)
    figures_told = (
        f"omlx {told.daemon.version}", told.daemon.address, f"pid {told.daemon.pid}",
        f"{told.running} running, {told.queued} queued",
        f"{format_bytes(memory.used_bytes)} of {format_bytes(memory.limit_bytes)}", told.models[0].name,
        format_bytes(told.models[0].size_bytes), f"{figures.percent(reused / cache.requested_tokens)} ",
        f"{figures.count(reused)} of {figures.count(cache.requested_tokens)} tokens",
        f"{figures.count(cache.recomputed_tokens)} recomputed",
        *(figures.of_limit(tier.size_bytes, tier.limit_bytes) for tier in cache.tiers),
        *(f"{figures.count(tier.parts)} blocks" for tier in cache.tiers),
        f"{format_bytes(cache.written_today_bytes)} ", f"{format_bytes(cache.free_bytes)} free",
        f"{format_bytes(cache.min_free_bytes)} stay free",
        f"{figures.rate(told.decode_tokens_per_s)} tok/s out", f"{figures.rate(told.prefill_tokens_per_s)} tok/s in",
    )  # fmt: skip
    return [words for words in figures_told if words not in shown]


def test_without_a_daemon_it_waits_for_one(tmp_path: Path) -> None:
    home = make_home(tmp_path, None)
    try:
        with terminal("top", environment=home.environment, size=(80, 24)) as screen:
            screen.see("the daemon is not running: press s to start it", "q quit")
            assert home.run("start").returncode == 0
            screen.see("● live", "no model is in memory: l loads one")
            screen.press("q")
            assert screen.left() == 0
    finally:
        home.stop()


def test_the_terminal_says_its_size_whatever_was_exported(tmp_path: Path) -> None:
    home = make_home(tmp_path, None)
    with terminal("top", environment=home.environment, size=(90, 30)) as screen:
        wait_until(lambda: "q quit" in screen.text.split("\n")[29], why_not=lambda: screen.text)
        screen.resize(70, 20)
        wait_until(lambda: "q quit" in screen.text.split("\n")[19], why_not=lambda: screen.text)
        screen.press("q")
        assert screen.left() == 0


def test_leaving_gives_the_terminal_back(tmp_path: Path) -> None:
    home = make_home(tmp_path, None)
    with terminal("top", environment=home.environment, size=(80, 24)) as screen:
        screen.see("press s to start it")
        screen.press("\x03")
        assert screen.left() == 0
        for restored in (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1000l"):
            assert restored in screen.received
