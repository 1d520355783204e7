"""The daemon that answers, is silent, or is not there; its port, and who else may hold it."""

from __future__ import annotations

import fcntl
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psutil
import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.api import DaemonState, SlotInfo, SlotState, StuckWorker
from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis import port as port_module
from omlx_cli.diagnosis import subject as subject_module
from omlx_cli.diagnosis.check import Verdict
from tests.cli.stand_in import StandIn, reply
from tests.doctor.conftest import Look
from tests.standin.machine import free_port

HOLDER = """
import socket, sys
held = socket.create_server(("127.0.0.1", 0))
print(held.getsockname()[1], flush=True)
sys.stdin.read()
"""


@contextmanager
def foreign_listener() -> Iterator[tuple[int, int]]:
    """Yield the process and the port of a program that listens."""
    with subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.communicate(timeout=30)


def test_none_runs(look: Look) -> None:
    (check,) = look("daemon")
    assert (check.verdict, check.found) == (
        Verdict.OK, "it does not run; the first command that needs it starts it",
    )  # fmt: skip


def test_one_runs(look: Look, daemon: StandIn) -> None:
    (check,) = look("daemon")
    assert (check.verdict, check.found) == (Verdict.OK, "ready, process 4242, up for 1h2m")


def test_one_that_drains_or_is_stuck(look: Look, daemon: StandIn) -> None:
    daemon.state = DaemonState.DRAINING
    (check,) = look("daemon")
    assert (check.verdict, check.fix) == (Verdict.WARNING, "omlx restart")
    stuck = StuckWorker(model="smollm2", pid=7, request="req_1.0", stuck_s=90.0)
    health = msgspec.structs.replace(daemon.health(), state=DaemonState.STUCK, stuck=(stuck,))
    daemon.says("GET", routes.HEALTH, reply(health))
    (check,) = look("daemon")
    assert check.verdict is Verdict.WARNING
    assert check.found.endswith("smollm2 made no step for 1m30s (req_1.0)")


def test_models_that_are_not_well(look: Look, daemon: StandIn) -> None:
    rows = (
        SlotInfo(name="fine", state=SlotState.IDLE),
        SlotInfo(name="a b", state=SlotState.CRASHED, crashes=3, error="killed by SIGKILL"),
        SlotInfo(name="wedged", state=SlotState.STUCK),
        SlotInfo(name="patient", state=SlotState.LOADING, waits="waits for 2.0 GB"),
    )
    daemon.says("GET", routes.STATUS, reply(msgspec.structs.replace(daemon.status(), models=rows)))
    _, crashed, wedged, patient = look("daemon")
    assert (crashed.verdict, crashed.fix) == (Verdict.BROKEN, "omlx load 'a b'")
    assert crashed.found == "a b: killed by SIGKILL; 3 crashes so far"
    assert (wedged.verdict, wedged.fix) == (Verdict.BROKEN, "omlx unload --force wedged")
    assert (patient.verdict, patient.found) == (Verdict.WARNING, "patient: waits for 2.0 GB")


def test_one_that_holds_the_lock_and_does_not_listen(look: Look, paths: Paths) -> None:
    with paths.daemon_lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (check,) = look("daemon")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "omlx stop --force")


def test_one_that_listens_and_is_silent_holds_up_no_other_area(
    look: Look, paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subject_module, "ANSWER_S", 0.2)
    paths.config.write_text("[server]\nport = 0\n")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(paths.socket))
        mute.listen(8)
        checks = look("daemon", "port", "memory", "cache", "versions", "agents")
        mute.settimeout(1)
        mute.accept()[0].close()
        with pytest.raises(TimeoutError):
            mute.accept()
    by_area = {check.area: check for check in checks}
    assert (by_area["daemon"].verdict, by_area["daemon"].fix) == (Verdict.BROKEN, "omlx stop --force")
    assert all("does not answer" in by_area[area].found for area in ("daemon", "port", "cache"))


def test_a_free_port_and_any_port(look: Look, paths: Paths) -> None:
    port = free_port()
    paths.config.write_text(f"[server]\nport = {port}\n")
    assert look("port")[0].found == f"127.0.0.1:{port} is free"
    paths.config.write_text("[server]\nport = 0\n")
    assert look("port")[0].found == "the daemon takes a free one when it starts"


def test_a_port_that_a_foreign_process_holds(look: Look, paths: Paths) -> None:
    with foreign_listener() as (pid, port):
        paths.config.write_text(f"[server]\nport = {port}\n")
        (check,) = look("port")
        assert check.verdict is Verdict.BROKEN
        name = psutil.Process(pid).name()
        assert check.found == f"127.0.0.1:{port} is used by {name} (process {pid})"
        words = check.fix.split()
        assert words[:4] == ["omlx", "config", "set", "server.port"] and words[5:] == ["&&", "omlx", "restart"]
        with socket.create_server(("127.0.0.1", int(words[4]))):
            pass
    assert look("port")[0].verdict is Verdict.OK


def test_a_daemon_that_found_its_port_taken(look: Look, daemon: StandIn) -> None:
    status = daemon.status()
    info = msgspec.structs.replace(status.daemon, address="", tcp_error="port 8000 on 127.0.0.1 is in use by nginx")
    daemon.says("GET", routes.STATUS, reply(msgspec.structs.replace(status, daemon=info)))
    (check,) = look("port")
    assert (check.verdict, check.found) == (Verdict.BROKEN, "port 8000 on 127.0.0.1 is in use by nginx")
    assert check.fix.startswith("omlx config set server.port ")


def test_a_daemon_on_another_port_than_the_settings_say(look: Look, daemon: StandIn, paths: Paths) -> None:
    assert look("port")[0].found == "http://127.0.0.1:8000"
    paths.config.write_text("[server]\nport = 8123\n")
    (check,) = look("port")
    assert (check.verdict, check.fix) == (Verdict.WARNING, "omlx restart")


def test_an_address_that_is_not_of_this_machine(look: Look, paths: Paths) -> None:
    paths.config.write_text('[server]\nhost = "192.0.2.1"\n')
    (check,) = look("port")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "omlx config set server.host 127.0.0.1")


def test_a_port_held_in_waiting_is_not_connected_to() -> None:
    from omlx_cli.contract.settings import ServerSettings

    check = port_module.without_daemon(ServerSettings(), "127.0.0.1:8000")
    assert check.found == "127.0.0.1:8000 is held for the daemon until somebody connects"
