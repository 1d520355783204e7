"""Files of the home that hold something else than what was written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cachewire.driving import MODEL, Client
from tests.e2e.conftest import make_home
from tests.faults.conftest import end
from tests.faults.place import Place, remaining
from tests.waiting import wait_until

GARBAGE = [b"", b"{", b"\xff\xfe\x00", b"[1]", b"[" * 100_000, b"\x00" * 4096]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Place]:
    """Return another home, without models."""
    (tmp_path / "other").mkdir()
    made = Place(make_home(tmp_path / "other", None).path)
    yield made
    end(made)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"[server\n", b"[server]\nport = 'x'\n", b"\x00" * 4096])
def test_damaged_settings_are_one_line_and_stay_as_they_are(place: Place, content: bytes) -> None:
    place.well("pin", MODEL)
    pid = place.pid()
    place.paths.config.write_bytes(content)
    place.well("ps")
    for words in (("config", "get"), ("config", "set", "model.ttl", "5m"), ("config", "reload"), ("restart",)):
        error, _ = place.refused(*words, code=2)
        assert str(place.paths.config) in error, words
    assert place.pid() == pid
    place.well("stop")
    error, _ = place.refused("start", code=2)
    assert str(place.paths.config) in error
    assert place.paths.config.read_bytes() == content
    place.paths.config.write_text("[server]\nport = 0\n")
    place.well("start")
    assert (place.models(), place.pinned()) == ([MODEL], [MODEL])


def test_settings_that_are_a_folder_are_one_line(place: Place) -> None:
    place.paths.config.unlink()
    place.paths.config.mkdir()
    error, hint = place.refused("start", code=2)
    assert error == f"cannot read {place.paths.config}: Is a directory"
    assert "move that away" in hint


@pytest.mark.parametrize("content", GARBAGE)
def test_a_damaged_state_is_put_aside_and_its_copy_is_in_force(place: Place, content: bytes) -> None:
    place.well("pin", MODEL)
    place.well("stop")
    place.paths.state.write_bytes(content)
    (warning,) = place.warned("start")
    assert warning.startswith(f"{place.paths.state} was damaged (")
    assert warning.endswith("its copy is in force, and what was there is kept as state.json.bad")
    assert place.path.joinpath("state.json.bad").read_bytes() == content
    assert place.pinned() == [MODEL]
    place.well("stop")
    place.well("start")
    assert place.pinned() == [MODEL]


def test_a_damaged_state_without_a_copy_begins_anew_and_says_so(place: Place) -> None:
    place.paths.create()
    for number in ("", "1"):
        place.paths.state.write_bytes(b"{broken")
        for copy in place.path.glob("state.json.bak"):
            copy.unlink()
        (warning,) = place.warned("start")
        assert warning.endswith(f"has no copy: it begins anew, and what was there is kept as state.json.bad{number}")
        place.well("stop")
    place.well("start")


def test_a_state_that_is_a_folder_is_one_line(place: Place) -> None:
    place.paths.create()
    place.paths.state.mkdir()
    error, hint = place.refused("start", code=4)
    assert error == f"cannot read {place.paths.state}: Is a directory"
    assert "move that away" in hint


def test_damaged_pins_of_the_cache_are_put_aside_and_their_copy_is_in_force(place: Place, client: Client) -> None:
    place.well("load", MODEL)
    prompt = place.path.parent / "prompt"
    prompt.write_text("a long system prompt " * 30)
    place.well("cache", "pin", "system", "--system", str(prompt), "--model", MODEL)
    place.well("stop")
    client.cache.joinpath("pins.json").write_bytes(b"{broken")
    place.well("load", MODEL)
    (pin,) = json.loads(place.well("cache", "pins", "--json"))["pins"]
    assert pin["label"] == "system"
    assert client.cache.joinpath("pins.json.bad").read_bytes() == b"{broken"
    assert "pins.json was damaged" in place.log()


@pytest.mark.parametrize("content", [*GARBAGE[:4], b'{"pid":1,"version":"9"}', None])
def test_a_damaged_description_is_written_anew(place: Place, content: bytes | None) -> None:
    place.well("start")
    pid, file = place.pid(), place.paths.daemon_info
    if content is None:
        file.unlink()
        file.mkdir()
        assert place.run("ps").returncode == 0
        wait_until(lambda: place.daemon()["troubles"] == [f"{file} cannot be written: Is a directory"])
        file.rmdir()
    else:
        file.write_bytes(content)
    place.well("ps")
    wait_until(
        lambda: file.is_file() and file.read_bytes().startswith(b'{"schema_version":') and place.info()["pid"] == pid
    )
    wait_until(remaining(place))


def test_what_a_dead_daemon_left_is_no_daemon(place: Place) -> None:
    place.well("start")
    place.kill()
    wait_until(lambda: not place.daemons())
    with subprocess.Popen(["sleep", "100"]) as stranger:
        place.paths.daemon_info.write_text(json.dumps({**place.info(), "pid": stranger.pid}))
        place.paths.daemon_lock.write_text(f"{stranger.pid}\n")
        place.refused("status", code=4)
        assert place.well("stop", "--force") == "the daemon was not running\n"
        place.well("ps")
        assert place.pid() != stranger.pid
        place.well("stop", "--force")
        assert stranger.poll() is None
        stranger.kill()


def test_force_ends_the_daemon_of_this_home_and_no_other(place: Place, other: Place) -> None:
    """The other daemon runs under the number that an old description names."""
    place.well("start")
    other.well("start")
    (mine,) = place.daemons()
    os.kill(mine.pid, signal.SIGSTOP)
    place.paths.daemon_info.write_text(json.dumps({**place.info(), "pid": other.pid()}))
    assert place.well("stop", "--force") == "stopped\n"
    assert not place.daemons()
    other.well("ps")
