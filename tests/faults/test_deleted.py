"""What somebody deletes of the home under a running daemon."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cachewire.driving import MODEL, Client, story
from tests.faults.place import Place, mode, standing_still
from tests.waiting import delete, wait_until


def test_a_deleted_run_directory_is_made_anew_under_a_running_request(place: Place, client: Client) -> None:
    place.well("pin", MODEL)
    place.well("load", MODEL)
    pid = place.pid()
    with ThreadPoolExecutor(1) as thread, standing_still(client.row["pid"]):
        asking = thread.submit(client.ask, story(300), 600)
        wait_until(lambda: client.row["state"] == "busy")
        delete(place.paths.run)
        # At once, before the daemon has noticed: the command waits for it, and starts no other.
        assert MODEL in place.well("ps")
    assert len(asking.result().tokens) == 600
    assert (place.pid(), len(place.daemons())) == (pid, 1)
    assert f"{place.paths.socket} was deleted: it is made anew" in place.log()
    assert (mode(place.paths.run), mode(place.paths.socket)) == (0o700, 0o600)
    assert place.info()["pid"] == pid
    assert place.paths.daemon_lock.read_text() == f"{pid}\n"
    assert (place.models(), place.pinned()) == ([MODEL], [MODEL])
    assert place.well("stop") == "stopped\n"
    assert not place.paths.socket.exists()


@pytest.mark.parametrize("name", ["omlx.sock", "daemon.lock", "daemon.json"])
def test_a_deleted_file_of_the_run_directory_is_made_anew(place: Place, name: str) -> None:
    place.well("start")
    pid, file = place.pid(), place.paths.run / name
    file.unlink()
    place.well("ps")
    wait_until(file.exists)
    assert (place.pid(), len(place.daemons()), place.info()["pid"]) == (pid, 1, pid)


def test_what_stands_in_the_sockets_place_is_told_until_it_is_gone(place: Place) -> None:
    place.well("start")
    pid = place.pid()
    # The daemon may make it anew between the two.
    wait_until(lambda: _is_in_the_way(place.paths.socket))
    wait_until(lambda: f"cannot listen on {place.paths.socket}: Is a directory" in place.log())
    place.paths.socket.rmdir()
    place.well("ps")
    assert place.pid() == pid


def test_stop_finds_a_daemon_without_a_run_directory(place: Place) -> None:
    place.well("start")
    delete(place.paths.run)
    assert place.well("stop") == "stopped\n"
    assert not place.daemons()


def test_a_deleted_log_directory_is_made_anew(place: Place) -> None:
    place.well("start")
    delete(place.paths.logs)
    place.well("config", "set", "model.ttl", "5m")
    assert "the settings were read again" in place.log()
    assert (mode(place.paths.logs), mode(place.paths.daemon_log)) == (0o700, 0o600)
    assert place.daemon()["troubles"] == []


def test_a_deleted_home_ends_its_daemon_and_the_next_command_begins_anew(place: Place) -> None:
    place.well("start")
    delete(place.path)
    wait_until(lambda: not place.daemons())
    assert not place.path.exists()
    place.path.mkdir(mode=0o700)
    place.paths.config.write_text("[server]\nport = 0\n")
    place.well("ps")


def test_a_home_that_another_took_the_place_of_is_left_to_it(place: Place) -> None:
    place.well("start")
    (old,) = place.daemons()
    place.path.rename(place.path.with_name("elsewhere"))
    place.path.mkdir(mode=0o700)
    place.paths.config.write_text("[server]\nport = 0\n")
    place.paths.state.write_text('{"version":1,"of":"another home"}')
    place.well("ps")
    wait_until(lambda: [process.pid for process in place.daemons()] == [place.pid()])
    assert place.pid() != old.pid
    assert json.loads(place.paths.state.read_text()) == {"version": 1, "of": "another home"}
    place.well("ps")


def _is_in_the_way(path: Path) -> bool:
    path.unlink(missing_ok=True)
    with contextlib.suppress(FileExistsError):
        path.mkdir()
    return path.is_dir()
