"""`omlx top` for scripts, and its feed, against a real daemon."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from contextlib import aclosing

import msgspec
import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.live import Change, Happening, HappeningKind, LiveEvent, Snapshot
from omlx_cli.top.feed import Down, Feed
from omlx_cli.top.state import apply
from tests.cli.conftest import OMLX, Omlx, omlx_process
from tests.cli.conftest import omlx as omlx
from tests.daemon.conftest import Home, Running, until
from tests.daemon.test_drain import MODEL, ask
from tests.live.conftest import EVENTS
from tests.live.test_daemon import served as served


def test_once_is_a_picture_of_80_columns(home: Home, served: Running) -> None:
    ask(home, "x").getresponse().read()
    waiting = ask(home, "wait")
    until(lambda: [row["phase"] for row in home.call("GET", routes.REQUESTS)[1]["requests"]] == ["prefill"])
    ran = omlx_process("top", "--once")
    assert (ran.code, ran.err) == (0, "")
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    for word in ("omlx", MODEL, "busy", "prefill", "memory", "loaded", "finished"):
        assert word in ran.out
    assert table_of(omlx_process("top").out) == table_of(ran.out)
    waiting.close()


def table_of(picture: str) -> list[list[str]]:
    """Return the words of the models' table, but for the memory that the worker takes at that moment."""
    return [re.sub(r"[\d.]+ [kMG]?B\b", "", line).split() for line in picture.splitlines()[3:5]]


def test_json_is_one_snapshot(home: Home, served: Running, omlx: Omlx) -> None:
    ask(home, "x").getresponse().read()
    ran = omlx("top", "--json")
    assert ran.code == 0
    snapshot = msgspec.json.decode(ran.out, type=Snapshot)
    assert (snapshot.schema_version, snapshot.requests_total, snapshot.models[0].name) == (1, 1, MODEL)
    assert snapshot.daemon.pid == served.process.pid


def test_watch_is_lines_as_they_come(home: Home, served: Running) -> None:
    words = [*OMLX, "top", "--json", "--watch", "--interval", "250ms"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = EVENTS.decode(process.stdout.readline())
        assert isinstance(first, Snapshot)
        now: Snapshot = first
        ask(home, "x").getresponse().read()
        kinds = set()
        while not (now.requests_total and HappeningKind.FINISHED in [one.kind for one in now.happenings]):
            event = EVENTS.decode(process.stdout.readline())
            kinds.add(type(event))
            now = apply(now, event)
        assert kinds == {Change, Happening}
        served.process.send_signal(signal.SIGKILL)
        process.stdout.read()
        said = process.stderr.read().decode()
        assert process.wait() == 4
        assert json.loads(said)["error"]["code"] == "daemon_unreachable"


def test_without_a_daemon_it_says_so_and_starts_none(home: Home, omlx: Omlx) -> None:
    for words in (("top", "--once"), ("top", "--json"), ("top", "--json", "--watch")):
        ran = omlx(*words)
        assert (ran.code, ran.out) == (4, "")
        assert "not running" in ran.err
    assert not home.paths.daemon_info.exists()


@pytest.mark.parametrize(
    "words", [("--watch",), ("--interval", "1s"), ("--json", "--interval", "1s"), ("--json", "--watch", "--interval=5")]
)
def test_wrong_usage(omlx: Omlx, words: tuple[str, ...]) -> None:
    ran = omlx("top", *words)
    assert (ran.code, ran.out) == (2, "")


def test_text_needs_no_textual(home: Home, served: Running) -> None:
    code = (
        "import sys; from omlx_cli import cli; code = cli.main(['top', '--once']);"
        "sys.stderr.write(str([code, 'textual' in sys.modules, 'asyncio' in sys.modules]))"
    )
    done = subprocess.run([OMLX[0], "-I", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr == "[0, False, False]"


def test_a_feed_outlives_the_daemon(home: Home, served: Running) -> None:
    """Killed and started again under it, it goes on by itself, and says once that nobody was there."""

    async def follow() -> list[LiveEvent | Down]:
        seen: list[LiveEvent | Down] = []
        feed = Feed(str(home.paths.socket), retry_s=0.05)
        async with asyncio.timeout(60), aclosing(feed.events()) as events:
            first = await anext(events)
            assert isinstance(first, Snapshot)
            assert first.daemon.pid == served.process.pid
            os.kill(served.process.pid, signal.SIGKILL)
            served.process.wait()
            starting: asyncio.Task[Running] | None = None
            async for event in events:
                seen.append(event)
                if isinstance(event, Down) and starting is None:
                    starting = asyncio.create_task(asyncio.to_thread(home.launch))
                if isinstance(event, Snapshot):
                    assert starting is not None
                    assert event.daemon.pid == (await starting).process.pid
                    return seen
        raise AssertionError("the feed ended")

    seen = asyncio.run(follow())
    downs = [event.reason for event in seen if isinstance(event, Down)]
    assert downs[0] in ("the daemon went away", "the daemon has stopped")
    assert downs[1:] in ([], ["the daemon is not running"])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", "the daemon answered with HTTP 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}\n", "another version"),
        (b"nonsense\r\n\r\n", "no omlx daemon"),
        (b"", "went away"),
    ],
)
def test_a_feed_says_what_is_wrong(home: Home, answer: bytes, reason: str) -> None:
    home.paths.create()

    def answering(answer: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(answer)
            writer.close()

        return reply

    async def first() -> LiveEvent | Down:
        server = await asyncio.start_unix_server(answering(answer), str(home.paths.socket))
        async with server, asyncio.timeout(30), aclosing(Feed(str(home.paths.socket)).events()) as events:
            return await anext(events)

    found = asyncio.run(first())
    assert isinstance(found, Down)
    assert reason in found.reason
