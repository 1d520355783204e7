"""A machine whose clock is set: by hand, by a time server that it reaches late, or because a battery is flat."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from omlx_daemon.coldstore.names import BLOCK_TOKENS
from omlx_daemon.core.clock import SteadyClock
from tests.cachewire.driving import MODEL, Client, story
from tests.faults.place import Place, await_sequence
from tests.waiting import wait_until

BRISK = Path(__file__).with_name("brisk.py")
DECADE_S = 10 * 365 * 86400


@dataclass(frozen=True)
class Wall:
    """The time of day of one daemon and of all that it starts; other clocks run as they do."""

    file: Path
    library: Path

    def set(self, offset_s: int) -> None:
        """Move the time of day away from the true one."""
        temporary = self.file.with_suffix(".new")
        temporary.write_text(f"{offset_s:+d}s\n")
        temporary.replace(self.file)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@pytest.fixture
def wall(tmp_path: Path) -> Wall:
    found = shutil.which("faketime")
    libraries = list(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if found is None or not libraries:
        pytest.skip("not installed here: faketime")
    made = Wall(tmp_path / "offset", libraries[0])
    made.set(0)
    return made


@pytest.fixture
def set_place(place: Place, wall: Wall) -> Iterator[Place]:
    """Return a home where models and blocks expire soon, and whose daemon runs under a clock that can be set."""
    with place.paths.config.open("a") as config:
        config.write('[model]\nttl = "1h"\n[cache]\nmax_age = "7d"\n')
    daemon = subprocess.Popen(
        [sys.executable, "-I", str(BRISK), "omlx_daemon", "--home", str(place.path)],
        env={**place.environment, **wall.environment},
    )
    wait_until(place.paths.daemon_info.exists)
    yield place
    daemon.terminate()
    daemon.wait(60)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("jumps_s", [(DECADE_S,), (-DECADE_S,), (DECADE_S, -DECADE_S, 0)])
def test_nothing_expires_and_nothing_stops_when_the_clock_is_set(
    set_place: Place, wall: Wall, jumps_s: tuple[int, ...]
) -> None:
    client = Client(set_place)
    set_place.well("load", MODEL)
    first = client.ask(story(300))
    await_sequence(client, 300 + len(first.tokens) - 1)
    pid, blocks, worker = set_place.pid(), whole_blocks(client), client.row["pid"]
    for seed, offset_s in enumerate(jumps_s, 1):
        wall.set(offset_s)
        assert abs(told_time_s(client) - time.time() - offset_s) < 3600
        assert client.ask(story(300, seed=seed)).computed == 300
        blocks = await_another(client, blocks)
        assert client.ask(story(300)).tokens == first.tokens
        assert client.metrics()["evictions"] == 0
        status = set_place.status()
        assert (status["daemon"]["pid"], status["daemon"]["state"]) == (pid, "ready")
        assert 0 <= status["daemon"]["uptime_s"] < 3600
        assert client.row["pid"] == worker
    set_place.well("stop")
    set_place.well("load", MODEL)
    assert client.ask(story(300)).cold == 299


def whole_blocks(client: Client) -> set[Path]:
    """Return the files of blocks that are full: longer tails take the place of shorter ones."""
    return {path for path in client.files() if f"-{BLOCK_TOKENS}." in path.name}


def await_another(client: Client, before: set[Path]) -> set[Path]:
    wait_until(lambda: len(whole_blocks(client)) > len(before))
    found = whole_blocks(client)
    assert before < found
    return found


def told_time_s(client: Client) -> float:
    """Return the time of day by the daemon's clock."""
    reply = client.call("POST", "/v1/completions", {"model": MODEL, "prompt": story(5), "max_tokens": 1})
    return float(reply["created"])


SETTING = """
import os, sys, time
from pathlib import Path
from omlx_daemon.core.clock import SteadyClock
clock, file = SteadyClock(), Path(os.environ["FAKETIME_TIMESTAMP_FILE"])
for offset in ("+100d", "-100d"):
    before = clock(), time.time()
    file.write_text(offset + "\\n")
    print(abs(clock() - before[0]) < 60, abs(time.time() - before[1]) > 86400)
"""


def test_the_steady_clock_does_not_move_when_the_clock_is_set(wall: Wall) -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-c", SETTING],
        env={**os.environ, **wall.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("True True\n" * 2, "")


def test_the_steady_clock_begins_with_the_time_of_day_and_goes_on() -> None:
    clock = SteadyClock()
    first = clock()
    assert abs(first - time.time()) < 5
    assert clock() >= first
