"""A home on a disk that is full, or that is mounted read-only."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.cachewire.driving import MODEL, Client, story
from tests.e2e.conftest import make_home
from tests.faults.conftest import end
from tests.faults.place import Place, await_sequence, remaining
from tests.waiting import wait_until

FULL = "No space left on device"
OTHER = "free some space on that disk"


def fill(disk: Path) -> Path:
    """Take all that is free on a disk; return the file that does."""
    film = disk / "film"
    with film.open("ab", buffering=0) as file:
        for size_bytes in (1 << 16, 1):
            try:
                while True:
                    file.write(bytes(size_bytes))
            except OSError:
                continue
    assert not os.statvfs(disk).f_bavail
    return film


def remount(disk: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)


def test_a_daemon_starts_on_a_full_disk_and_says_what_it_lacks(small_disk: Path, small_place: Place) -> None:
    film = fill(small_disk)
    warned = small_place.warned("start")
    assert sorted(warned) == [
        f"{small_place.paths.daemon_log} cannot be written: {FULL}",
        f"{small_place.paths.daemon_info} cannot be written: {FULL}",
    ]
    pid = small_place.pid()
    small_place.well("ps")
    assert small_place.models() == [MODEL]
    film.unlink()
    wait_until(lambda: small_place.paths.daemon_info.exists())
    small_place.well("config", "set", "model.ttl", "5m")
    wait_until(remaining(small_place))
    assert "messages are missing here" in small_place.log()
    assert (small_place.pid(), small_place.info()["pid"]) == (pid, pid)


def test_a_disk_that_takes_no_files_is_named(tmp_path: Path, small_disk: Path, model: Path) -> None:
    remount(small_disk, "nr_inodes=3")
    place = Place(small_disk / "home")
    place.path.mkdir(mode=0o700)
    (place.path / "film").touch()
    error, hint = place.refused("start", code=4)
    assert error == f"cannot make {place.paths.models}: {FULL}"
    assert OTHER in hint
    remount(small_disk, "nr_inodes=1000")
    assert make_home(tmp_path, model).path.exists()
    place.paths.config.write_text("[server]\nport = 0\n")
    try:
        place.well("start")
    finally:
        end(place)


def test_a_disk_that_fills_up_under_a_daemon_loses_nothing(small_disk: Path, small_place: Place) -> None:
    client = Client(small_place)
    small_place.well("pin", MODEL)
    small_place.well("load", MODEL)
    first = client.ask(story(300))
    await_sequence(client, 300 + len(first.tokens) - 1)
    pid, settings = small_place.pid(), small_place.paths.config.read_bytes()
    film = fill(small_disk)

    error, hint = small_place.refused("unpin", MODEL, code=1)
    assert (error, OTHER in hint) == (f"the pin was not saved: {FULL}", True)
    error, hint = small_place.refused("config", "set", "model.ttl", "5m", code=1)
    assert FULL in error and OTHER in hint
    error, _ = small_place.refused("pull", str(small_place.paths.models / MODEL), "--as", "copy", code=1)
    assert "space" in error
    assert client.ask(story(300)).tokens == first.tokens
    assert client.ask(story(200, seed=5)).computed == 200
    (pin,) = json.loads(small_place.run("ps", "--json").stdout)["models"]
    assert (pin["pinned"], small_place.pinned(), small_place.models()) == (True, [MODEL], [MODEL])
    assert small_place.paths.config.read_bytes() == settings
    assert small_place.run("cache", "stats").returncode == 0

    small_place.kill()
    wait_until(lambda: not small_place.daemons())
    small_place.warned("start")
    assert client.ask(story(300)).tokens == first.tokens
    assert small_place.pid() != pid

    film.unlink()
    small_place.well("config", "set", "model.ttl", "5m")
    wait_until(remaining(small_place))
    small_place.well("restart")
    assert small_place.pinned() == [MODEL]
    again = client.ask(story(300))
    assert (again.tokens, again.hot + again.cold > 0) == (first.tokens, True)


def test_a_cache_on_a_full_disk_is_in_memory_until_there_is_room(place: Place, small_disk: Path) -> None:
    with place.paths.config.open("a") as config:
        config.write(f'[cache]\ndir = "{small_disk / "cache"}"\nmin_free = "0"\n')
    film = fill(small_disk)
    client = Client(place)
    place.well("load", MODEL)
    first = client.ask(story(300))
    assert client.ask(story(300)).hot == 299
    assert place.run("cache", "stats").returncode == 0
    film.unlink()
    wait_until(lambda: client.ask(story(300, seed=7)).hot == 299 and bool(list(small_disk.rglob("*.safetensors"))))
    assert client.ask(story(300)).tokens == first.tokens


@pytest.mark.parametrize("was_there", [True, False])
def test_a_read_only_disk_keeps_a_daemon_from_starting(small_disk: Path, small_place: Place, was_there: bool) -> None:
    if was_there:
        small_place.well("start")
        small_place.well("stop")
    remount(small_disk, "ro")
    try:
        for words in (("start",), ("ps",), ("load", MODEL)):
            error, hint = small_place.refused(*words, code=4)
            assert "Read-only file system" in error and str(small_place.path) in error
            assert "mounted read-only" in hint
        assert small_place.run("status").returncode == 4
        assert small_place.well("stop") == "the daemon was not running\n"
    finally:
        remount(small_disk, "rw")
    small_place.well("start")


def test_a_disk_that_turns_read_only_under_a_daemon_loses_nothing(small_disk: Path, small_place: Place) -> None:
    small_place.well("pin", MODEL)
    small_place.well("load", MODEL)
    client = Client(small_place)
    first = client.ask(story(300))
    await_sequence(client, 300 + len(first.tokens) - 1)
    pid, settings = small_place.pid(), small_place.paths.config.read_bytes()
    # A file that is open for writing would keep the disk from turning; a broken one turns all the same.
    subprocess.run(["mount", "--bind", str(small_disk), str(small_disk)], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", str(small_disk)], check=True)
    try:
        assert MODEL in small_place.run("ps").stdout
        error, hint = small_place.refused("unpin", MODEL, code=1)
        assert "Read-only file system" in error and "mounted read-only" in hint
        error, _ = small_place.refused("config", "set", "model.ttl", "5m", code=1)
        assert "Read-only file system" in error
        assert client.ask(story(300)).tokens == first.tokens
        assert client.ask(story(200, seed=3)).computed == 200
    finally:
        subprocess.run(["umount", "-l", str(small_disk)], check=True)
    small_place.well("ps")
    assert small_place.pid() == pid
    small_place.well("config", "set", "model.ttl", "5m")
    wait_until(remaining(small_place))
    assert small_place.paths.config.read_bytes() != settings
    assert (small_place.models(), small_place.pinned()) == ([MODEL], [MODEL])
