"""Pictures and a short recording of the dashboard, from a real daemon at work.

    python -m scripts.screenshots MODEL_FOLDER [--into docs/img]

Starts a daemon of its own with the model in that folder, has it answer a handful of clients that share a long prompt,
and keeps what `omlx top` shows: SVG pictures, and an asciinema v2 recording of a session in a terminal.
"""

from __future__ import annotations

import argparse
import asyncio
import codecs
import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from textual.pilot import Pilot

from omlx_cli.contract import sockets
from omlx_cli.top.dashboard import TopApp
from omlx_cli.top.feed import Feed
from tests.e2e.conftest import Home, make_home
from tests.top.scripted import Recorder
from tests.top.terminal import terminal

CLIENTS = {
    "claude-code": "interactive", "opencode": "interactive", "codex": "normal", "notebook": "normal", "nightly": "batch"
}  # fmt: skip
"""Clients, each with the class of its requests."""
RULES = "You are careful with other people's code. " * 60
CLOCK = "nightly"
"""The client that puts the time at the top of its prompts, so that there is a miss to explain."""
WORK = 24.0
"""Seconds of work before a picture is taken."""
FONT = re.compile(r"@font-face\s*{[^}]*}")
_SIZE = (110, 34)


class Clients:
    """Clients that ask one after the other, until they are stopped."""

    def __init__(self, address: str, model: str) -> None:
        self._address = address
        self._model = model
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(name,), daemon=True) for name in CLIENTS]

    def start(self) -> None:
        """Begin to ask, a little apart."""
        for thread in self._threads:
            thread.start()
            time.sleep(0.7)

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _ask(self, name: str) -> None:
        turn = 0
        while not self._stopped.is_set():
            turn += 1
            messages = _messages(name, turn)
            body = {"model": self._model, "messages": messages, "max_tokens": 120, "stream": True}
            headers = {
                "content-type": "application/json", "x-omlx-client": name, "x-omlx-priority": CLIENTS[name]
            }  # fmt: skip
            with suppress(OSError, HTTPException), closing(HTTPConnection(self._address, timeout=60)) as connection:
                connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
                connection.getresponse().read()


def _messages(name: str, turn: int) -> list[dict[str, str]]:
    """Return what a client asks: something else each turn, or the same with another time above it."""
    if name == CLOCK:
        rules, asked = f"It is {time.strftime('%H:%M:%S')}. {RULES}", "what has changed since yesterday?"
    else:
        rules, asked = RULES, f"{name}, turn {turn}: what would you look at first, and why?"
    return [{"role": "system", "content": rules}, {"role": "user", "content": asked}]


@contextmanager
def daemon_at_work(model: Path) -> Iterator[Home]:
    """Yield the home of a daemon that has been working for a while, and goes on."""
    with tempfile.TemporaryDirectory() as folder:
        home = make_home(Path(folder), model)
        try:
            _checked(home, "run", model.name, "--system", RULES, "What is a daemon?", "--max-tokens", "16")
            _checked(home, "unload", model.name)
            _checked(home, "load", model.name, "--ttl", "30m")
            clients = Clients(str(home.info()["address"]), model.name)
            clients.start()
            yield home
            clients.stop()
        finally:
            home.stop()


def _checked(home: Home, *words: str) -> None:
    done = home.run(*words)
    if done.returncode:
        raise SystemExit(done.stderr)


def pictures(home: Home, into: Path) -> None:
    """Keep the panels at two sizes and in both themes, and the pages of detail."""
    _keep(home, into / "top.svg", (120, 36), "omlx-night", WORK)
    _keep(home, into / "top-80x24.svg", (80, 24), "omlx-night", 4)
    _keep(home, into / "top-day.svg", (120, 36), "omlx-day", 4)
    _keep(home, into / "top-request.svg", (110, 34), "omlx-night", 4, "slash", *CLOCK, "enter", "enter")
    _keep(home, into / "top-memory.svg", (110, 34), "omlx-night", 4, "m")


def _keep(home: Home, path: Path, size: tuple[int, int], theme: str, after_s: float, *keys: str) -> None:
    path.write_text(_plain(asyncio.run(_picture(home, size, theme, after_s, keys)), home))


async def _picture(home: Home, size: tuple[int, int], theme: str, after_s: float, keys: tuple[str, ...]) -> str:
    app = TopApp(Feed(sockets.socket_path(str(home.path))), Recorder())
    app.theme = theme
    async with app.run_test(size=size) as pilot:
        await asyncio.sleep(after_s)
        await _press(pilot, keys)
        return app.export_screenshot(title="omlx top")


async def _press(pilot: Pilot[int], keys: tuple[str, ...]) -> None:
    await pilot.press(*keys)
    await asyncio.sleep(1.0)
    await pilot.pause()


def _plain(svg: str, home: Home) -> str:
    """Return a picture that fetches no fonts."""
    text = FONT.sub("", svg).replace(str(home.path), "~/.omlx")
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"


def record(home: Home, path: Path) -> None:
    """Keep a session in a terminal: look, sort, open a request, narrow the events, leave."""
    frames: list[tuple[float, str]] = []
    decoder = codecs.getincrementaldecoder("utf-8")()
    with terminal("top", environment=home.environment, size=_SIZE) as screen:
        begun_s = time.monotonic()
        seen = 0

        def watch(seconds: float) -> None:
            nonlocal seen
            end_s = time.monotonic() + seconds
            while time.monotonic() < end_s:
                fresh = screen.received[seen:]
                if fresh:
                    seen += len(fresh)
                    frames.append((round(time.monotonic() - begun_s, 3), decoder.decode(fresh)))
                time.sleep(0.05)

        _play(screen.press, watch)
    head = {"version": 2, "width": _SIZE[0], "height": _SIZE[1], "title": "omlx top"}
    lines = [json.dumps(head), *(json.dumps([at_s, "o", text], ensure_ascii=False) for at_s, text in frames)]
    path.write_text("\n".join(lines) + "\n")


def _play(press: Callable[[str], None], watch: Callable[[float], None]) -> None:
    watch(4)
    for keys, seconds in (
        ("j", 0.6),
        ("\r", 3.0),
        ("\x1b", 1.0),
        ("m", 2.0),
        ("\x1b", 1.0),
        ("f", 1.5),
        ("t", 2.0),
        ("q", 1.0),
    ):
        press(keys)
        watch(seconds)


def main() -> None:
    """Parse, work, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--into", type=Path, default=Path("docs/img"))
    options = parser.parse_args()
    options.into.mkdir(parents=True, exist_ok=True)
    with daemon_at_work(options.model) as home:
        pictures(home, options.into)
        record(home, options.into / "top.cast")


if __name__ == "__main__":
    main()
