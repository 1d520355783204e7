"""Settings that are read again while the daemon runs: what applies, what waits, what is refused."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from typing import Any

import pytest

from omlx_cli.contract import routes
from tests.daemon.conftest import DAEMON, Home, Running, until
from tests.daemon.test_drain import MODEL, ask, row, text_of

BASE = "[server]\nport = 0\n"


@pytest.fixture
def served(home: Home) -> Running:
    """Return a running daemon with one model, whose worker is the double."""
    home.add_model(MODEL)
    return home.launch()


def reload(home: Home, text: str) -> Any:
    home.configure(BASE + text)
    status, reply = home.call("POST", routes.RELOAD, {})
    assert status == 200, reply
    return reply


def names(home: Home) -> list[str]:
    return [model["id"] for model in home.call("GET", routes.OPENAI_MODELS)[1]["data"]]


def test_a_ttl_an_alias_and_a_level_count_at_once(home: Home, served: Running) -> None:
    assert text_of(ask(home, "one").getresponse().read()) == "eno"
    pid = row(home)["pid"]
    text = '[model]\nttl = "1h"\n[daemon]\nlog_level = "debug"\n[models.echo]\naliases = ["quick"]\n'
    reply = reload(home, text)
    assert reply["applied"] == ["daemon.log_level", "model.ttl", 'models."echo".aliases']
    assert (reply["next_load"], reply["restart"]) == ([], [])
    assert (row(home)["ttl_s"], row(home)["pid"]) == (3600, pid)
    assert names(home) == ["echo", "quick"]
    assert text_of(ask(home, "two", model="QUICK").getresponse().read()) == "owt"
    assert row(home)["pid"] == pid
    assert reload(home, text)["applied"] == []
    assert reload(home, '[models.echo]\nttl = "5m"\n')["applied"] == [
        "daemon.log_level", "model.ttl", 'models."echo".ttl', 'models."echo".aliases',
    ]  # fmt: skip
    assert (row(home)["ttl_s"], names(home)) == (300, ["echo"])
    assert ask(home, "x", model="quick").getresponse().status == 404


def test_what_a_worker_and_the_daemon_learn_at_their_start_is_named(home: Home, served: Running) -> None:
    ask(home, "one").getresponse().read()
    text = '[server]\nhost = "127.0.0.2"\n[cache]\nfsync = true\n[scheduler]\nmax_queued = 7\n'
    text = text.removeprefix("[server]\n") + "[models.echo]\nkv_store_bits = 8\ncontext_limit = 99\n"
    reply = reload(home, text)
    assert reply["applied"] == []
    assert reply["next_load"] == ["scheduler.max_queued", 'models."echo".context_limit', 'models."echo".kv_store_bits']
    assert reply["restart"] == ["server.host", "cache.fsync"]
    again = reload(home, text)
    assert (again["next_load"], again["restart"]) == ([], ["server.host", "cache.fsync"])
    assert reload(home, "")["restart"] == []


def test_an_api_key_counts_at_once_and_goes_at_once(home: Home, served: Running) -> None:
    address = str(home.info()["address"])

    def over_tcp() -> int:
        import http.client

        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            connection.request("GET", routes.OPENAI_MODELS)
            return connection.getresponse().status
        finally:
            connection.close()

    assert over_tcp() == 200
    assert reload(home, 'api_key = "k"\n')["applied"] == ["server.api_key"]
    assert over_tcp() == 401
    reload(home, "")
    assert over_tcp() == 200


@pytest.mark.parametrize("text", ['[model]\nttl = "10"\n', "[server\n", "[models.echo]\ntemperature = 9\n"])
def test_an_invalid_file_changes_nothing_and_is_one_clear_line(home: Home, served: Running, text: str) -> None:
    reload(home, '[model]\nttl = "1h"\n')
    home.configure(text)
    status, reply = home.call("POST", routes.RELOAD, {})
    assert (status, reply["error"]["code"]) == (400, "invalid_config")
    assert str(home.paths.config) in reply["error"]["message"]
    assert "\n" not in reply["error"]["message"]
    served.process.send_signal(signal.SIGHUP)
    until(lambda: "the settings stay as they are" in home.paths.daemon_log.read_text())
    ask(home, "x").getresponse().read()
    assert row(home)["ttl_s"] == 3600


def test_hangup_reads_the_settings_again(home: Home, served: Running) -> None:
    ask(home, "x").getresponse().read()
    home.configure(BASE + '[model]\nttl = "2h"\n')
    served.process.send_signal(signal.SIGHUP)
    until(lambda: row(home)["ttl_s"] == 7200)
    assert "the settings were read again: applied: model.ttl" in home.paths.daemon_log.read_text()


def test_an_open_daemon_does_not_lose_its_key(home: Home) -> None:
    home.configure('[server]\nport = 0\nhost = "0.0.0.0"\n[[server.keys]]\nname = "a"\nkey = "k"\n')
    home.launch()
    home.configure('[server]\nport = 0\nhost = "0.0.0.0"\n')
    status, reply = home.call("POST", routes.RELOAD, {})
    assert (status, reply["error"]["code"]) == (400, "invalid_config")
    assert "there is no API key" in reply["error"]["message"]


def test_a_closed_terminal_ends_a_daemon_in_the_foreground(home: Home) -> None:
    ours, theirs = pty.openpty()
    words = [*DAEMON, "--home", str(home.path), "--foreground"]
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    try:
        until(lambda: home.paths.daemon_info.exists())
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert json.loads((home.paths.state).read_bytes())["version"] == 1
