"""start, stop, restart, status, logs, serve."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import SlotInfo, SlotState
from omlx_cli.contract.paths import Paths
from tests.cli.conftest import OMLX, Omlx, omlx_process
from tests.cli.stand_in import StandIn, reply
from tests.cli.starting import command_of, started


@pytest.fixture
def startable(omlx_home: object, paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Paths]:
    """Return a home in which the CLI starts the fake daemon."""
    monkeypatch.setattr("omlx_cli.service.process.daemon_command", lambda paths: command_of(paths, "serve"))
    yield paths
    for pid in started(paths):
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_start_stop_and_start_again(startable: Paths, omlx: Omlx) -> None:
    ran = omlx("start")
    (pid,) = started(startable)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == f"started: omlx 0.1.0 at http://127.0.0.1:8000, process {pid}\n"
    assert omlx("start").out == f"already running: omlx 0.1.0 at http://127.0.0.1:8000, process {pid}\n"
    assert json.loads(omlx("start", "--json").out)["pid"] == pid
    assert omlx("ps").code == 0
    ran = omlx("stop")
    assert (ran.code, ran.out, ran.err) == (0, "stopped\n", "")
    ran = omlx("stop")
    assert (ran.code, ran.out, ran.err) == (0, "the daemon was not running\n", "")
    assert json.loads(omlx("stop", "--json").out) == {"schema_version": 1, "message": "the daemon was not running"}
    assert omlx("restart").code == 0
    first, second = started(startable)
    assert omlx("restart").out.endswith(f"process {started(startable)[-1]}\n")
    assert len({first, second, started(startable)[-1]}) == 3


@pytest.mark.parametrize("words", [("ps",), ("ps", "--json"), ("ls",), ("load", "a"), ("pull", "a"), ("run", "a", "b")])
def test_a_command_that_needs_the_daemon_starts_it_without_a_word(
    startable: Paths, omlx: Omlx, words: tuple[str, ...]
) -> None:
    ran = omlx(*words)
    assert len(started(startable)) == 1
    assert "start" not in ran.err


@pytest.mark.parametrize("words", [("status",), ("logs",), ("stop",), ("config", "get"), ("config", "path")])
def test_a_command_that_only_looks_starts_nothing(startable: Paths, omlx: Omlx, words: tuple[str, ...]) -> None:
    omlx(*words)
    assert started(startable) == []


def test_broken_settings_stop_a_restart_before_the_stop(startable: Paths, omlx: Omlx) -> None:
    omlx("start")
    startable.config.write_text("[server]\nprt = 1\n")
    ran = omlx("restart")
    assert ran.code == 2
    assert ran.err.startswith(f"error: {startable.config}: ")
    assert "prt" in ran.err
    assert omlx("status").code == 0
    assert omlx("stop").out == "stopped\n"


def test_status(daemon: StandIn, omlx: Omlx) -> None:
    ran = omlx("status")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out == (
        "state     ready\n"
        "version   0.1.0\n"
        "address   http://127.0.0.1:8000\n"
        f"socket    {daemon.socket}\n"
        "home      /home/one/.omlx\n"
        "pid       4242\n"
        "uptime    1h2m\n"
        "models    none loaded\n"
        "requests  0 running, 0 queued, 3 in all\n"
        "memory    271 MB of 8.0 GB, green\n"
    )
    assert json.loads(omlx("status", "--json").out)["daemon"]["address"] == "127.0.0.1:8000"


def test_status_warns_of_what_keeps_crashing(daemon: StandIn, omlx: Omlx) -> None:
    later = (datetime.now(UTC) + timedelta(seconds=3600)).isoformat()
    rows = (
        SlotInfo(
            name="a", state=SlotState.CRASHED, error="the worker of a ended: exit code 3", crashes=4, retry_at=later
        ),
        SlotInfo(name="b", state=SlotState.STUCK),
        SlotInfo(name="c", state=SlotState.IDLE),
    )
    daemon.says("GET", routes.STATUS, reply(msgspec.structs.replace(daemon.status(), models=rows)))
    first, second = omlx("status").err.splitlines()
    assert first.startswith("warning: a: the worker of a ended: exit code 3; 4 crashes so far; next start in ")
    assert second == "warning: b: it has work and makes no step; /health/ready names the request"


def test_status_warns_of_a_port_that_is_taken(daemon: StandIn, omlx: Omlx) -> None:
    status = daemon.status()
    info = msgspec.structs.replace(status.daemon, address="", tcp_error="port 8000 is used by nginx (process 7)")
    row = SlotInfo(name="smollm2", state=SlotState.BUSY, running=2)
    daemon.says("GET", routes.STATUS, reply(msgspec.structs.replace(status, daemon=info, models=(row,))))
    ran = omlx("status")
    assert (ran.code, ran.err) == (0, "warning: port 8000 is used by nginx (process 7)\n")
    assert "address" not in ran.out
    assert "models    smollm2 (busy)\n" in ran.out


def test_status_without_a_daemon_is_4(omlx: Omlx) -> None:
    ran = omlx("status")
    assert (ran.code, ran.out, ran.err) == (
        4,
        "",
        "error: the daemon is not running\nhint: omlx start  starts it\n",
    )
    ran = omlx("status", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "daemon_unreachable")


def test_logs_without_a_log(omlx: Omlx, paths: Paths) -> None:
    ran = omlx("logs")
    assert (ran.code, ran.err.splitlines()[0]) == (3, f"error: there is no log at {paths.daemon_log} yet")


def test_serve_refuses_a_second_daemon(daemon: StandIn) -> None:
    ran = omlx_process("serve")
    assert (ran.code, ran.err) == (1, "error: a daemon runs already, process 4242\nhint: omlx stop  ends it\n")


def test_serve_becomes_the_daemon(paths: Paths, omlx: Omlx, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, words: became.append([program, *words]))
    assert omlx("serve", "--host", "0.0.0.0", "--port", "0").code == 0
    (words,) = became
    assert words[0] == words[1] == OMLX[0]
    assert words[-7:] == ["--home", str(paths.home), "--foreground", "--host", "0.0.0.0", "--port", "0"]
    assert omlx("serve", "--port", "70000").code == 2
