"""Folders and files that may not be read or written any more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cachewire.driving import MODEL, Client, story
from tests.faults.place import Place, await_sequence, mode, remaining
from tests.waiting import wait_until

SPEAKING = (("ps",), ("status",), ("stop",), ("pin", MODEL), ("ls",), ("load", MODEL))


def test_a_home_that_is_closed_under_its_daemon_is_named_and_reopened(place: Place) -> None:
    place.well("pin", MODEL)
    pid = place.pid()
    place.path.chmod(0)
    try:
        for words in SPEAKING:
            error, hint = place.refused(*words, code=4)
            assert str(place.path) in error and "Permission denied" in error, words
            assert "chmod u+rwX" in hint
        assert "home_unusable" in place.run("ps", "--json").stderr
        assert [process.pid for process in place.daemons()] == [pid]
    finally:
        place.path.chmod(0o700)
    place.well("ps")
    assert place.pid() == pid
    wait_until(remaining(place))
    assert (place.models(), place.pinned()) == ([MODEL], [MODEL])


def test_a_run_directory_and_a_socket_that_are_closed_are_opened_by_the_daemon(place: Place) -> None:
    place.well("start")
    pid = place.pid()
    place.paths.run.chmod(0)
    wait_until(lambda: mode(place.paths.run) == 0o700)
    place.paths.socket.chmod(0)
    wait_until(lambda: mode(place.paths.socket) == 0o600)
    place.well("ps")
    assert place.pid() == pid


def test_a_log_directory_that_is_closed_is_told_and_what_it_lacks_is_counted(place: Place) -> None:
    place.well("start")
    place.paths.logs.chmod(0)
    place.well("config", "set", "model.ttl", "5m")
    (trouble,) = place.daemon()["troubles"]
    assert trouble == f"{place.paths.daemon_log} cannot be written: Permission denied"
    assert place.warned("status") == [trouble]
    assert place.warned("start") == [trouble]
    place.paths.logs.chmod(0o700)
    wait_until(remaining(place))
    assert f"1 messages are missing here; {trouble}" in place.log()
    place.well("config", "set", "model.ttl", "6m")
    assert place.log().rstrip().endswith("the settings were read again: applied: model.ttl")


@pytest.mark.parametrize("closed", ["home", "run", "logs"])
def test_a_folder_that_cannot_be_written_keeps_a_daemon_from_starting(place: Place, closed: str) -> None:
    place.paths.create()
    folder = place.path if closed == "home" else place.path / closed
    folder.chmod(0o500)
    error, hint = place.refused("start", code=4)
    assert str(folder) in error and "Permission denied" in error
    assert "chmod u+rwX" in hint
    assert not place.daemons()
    folder.chmod(0o700)
    place.well("start")


def test_a_state_that_cannot_be_read_is_not_begun_anew(place: Place) -> None:
    place.well("pin", MODEL)
    place.well("stop")
    before = place.paths.state.read_bytes()
    place.paths.state.chmod(0)
    error, _ = place.refused("start", code=4)
    assert error == f"cannot read {place.paths.state}: Permission denied"
    place.paths.state.chmod(0o600)
    assert json.loads(before)["pinned"] == [MODEL]
    assert place.paths.state.read_bytes() == before
    assert (place.models(), place.pinned()) == ([MODEL], [MODEL])


def test_settings_that_cannot_be_read_are_no_defaults(place: Place) -> None:
    place.paths.config.chmod(0)
    error, hint = place.refused("start", code=2)
    assert error == f"cannot read {place.paths.config}: Permission denied"
    assert "chmod u+rwX" in hint
    place.paths.config.chmod(0o600)
    place.well("start")
    place.paths.config.chmod(0)
    place.well("ps")
    place.refused("config", "reload", code=2)
    place.well("stop")


def test_models_that_cannot_be_seen_are_not_forgotten(place: Place, client: Client) -> None:
    place.well("pin", MODEL)
    place.well("load", MODEL)
    first = client.ask(story(300))
    await_sequence(client, 300 + len(first.tokens) - 1)
    place.well("stop")
    place.paths.models.chmod(0)
    try:
        error, _ = place.refused("load", MODEL, code=3)
        assert f"{place.paths.models} cannot be read: Permission denied; if it is yours, chmod u+rwX" in error
        error, _ = place.refused("cache", "prune", "--incompatible", "--yes", code=1)
        assert "nothing is removed" in error
    finally:
        place.paths.models.chmod(0o700)
    assert (place.models(), place.pinned()) == ([MODEL], [MODEL])
    assert client.ask(story(300)).cold == 299


def test_a_cache_that_is_closed_costs_its_disk_alone(place: Place, client: Client) -> None:
    place.well("load", MODEL)
    first = client.ask(story(300))
    await_sequence(client, 300 + len(first.tokens) - 1)
    place.well("stop")
    files = client.files()
    client.cache.chmod(0)
    place.well("load", MODEL)
    assert client.ask(story(300)).tokens == first.tokens
    assert "Permission denied" in json.loads(place.well("cache", "stats", "--json"))["reason"]
    client.cache.chmod(0o700)
    place.well("stop")
    assert client.files() == files
    place.well("load", MODEL)
    assert client.ask(story(300)).cold == 299


def test_what_cannot_be_stopped_for_lack_of_permission_is_told(place: Place, tmp_path: Path) -> None:
    place.well("start")
    tmp_path.chmod(0)
    try:
        for words in SPEAKING:
            error, _ = place.refused(*words, code=4)
            assert "Permission denied" in error
    finally:
        tmp_path.chmod(0o700)
    place.well("ps")
