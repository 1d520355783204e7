"""`omlx service`, and which home the service belongs to."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from omlx_cli.contract.services import LABEL
from tests.standin.mac import GUI, Mac
from tests.standin.machine import free_port
from tests.waiting import wait_until


def test_login_start_is_switched_on_and_off(mac: Mac) -> None:
    assert mac.well("service", "enable") == "the daemon starts at login from now on\n"
    content = mac.definition()
    assert (content["RunAtLoad"], content["KeepAlive"]) == (True, {"Crashed": True})
    wait_until(lambda: mac.paths.daemon_info.exists())
    assert mac.service()["login"] is True
    assert mac.well("service", "disable") == "the daemon starts on demand alone from now on\n"
    assert "RunAtLoad" not in mac.definition()
    assert mac.status()["state"] == "ready"
    assert mac.service()["login"] is False


def test_a_crash_is_followed_by_a_start_where_login_start_is_on(mac: Mac) -> None:
    mac.well("service", "enable")
    wait_until(lambda: mac.paths.daemon_info.exists())
    first = int(mac.status()["pid"])
    os.kill(first, signal.SIGSEGV)
    wait_until(lambda: len(mac.journal("spawn")) == 2)
    mac.well("ps")
    assert mac.status()["pid"] != first
    assert mac.well("stop") == "stopped\n"
    wait_until(lambda: not mac.job())
    assert len(mac.journal("spawn")) == 2


def test_status_without_a_job(mac: Mac) -> None:
    service = mac.service()
    assert (service["manager"], service["state"], service["definition"]) == ("launchd", "not loaded", "")
    assert "on demand   a command starts it\n" in mac.well("service", "status")


def test_status_of_a_job_that_waits_for_a_connection(mac: Mac) -> None:
    mac.well("start")
    os.kill(int(mac.status()["pid"]), signal.SIGTERM)
    mac.wait_gone()
    wait_until(lambda: mac.service()["state"] == "not running")
    text = mac.well("service", "status")
    assert f"on demand   a connection to 127.0.0.1:{mac.port} starts it\n" in text
    assert f"name        {GUI}/{LABEL}\n" in text
    doctor = json.loads(mac.omlx("doctor", "--json").stdout)["checks"]
    (found,) = [check for check in doctor if check["name"] == "service"]
    assert found["found"] == f"launchd: {GUI}/{LABEL} not running, starts on a connection to 127.0.0.1:{mac.port}"
    assert mac.omlx("status").returncode == 4


def test_another_home_runs_beside_the_service(mac: Mac, tmp_path: Path) -> None:
    mac.well("start")
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "config.toml").write_text("[server]\nport = 0\n")
    mac.well("ps", OMLX_HOME=str(other))
    found = json.loads(mac.well("status", "--json", OMLX_HOME=str(other)))["daemon"]
    assert (found["manager"], found["home"]) == ("process", str(other))
    done = mac.omlx("service", "enable", OMLX_HOME=str(other))
    assert (done.returncode, str(mac.paths.home) in done.stderr) == (6, True)
    assert len(mac.daemons()) == 2
    mac.well("stop", OMLX_HOME=str(other))
    assert mac.status()["state"] == "ready"


def test_the_service_of_another_home_is_handed_back(mac: Mac, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    (other / "config.toml").write_text(f"[server]\nport = {free_port()}\n")
    mac.well("service", "enable", OMLX_HOME=str(other))
    wait_until(lambda: (other / "run" / "daemon.json").exists())
    mac.well("ps")
    assert mac.status()["manager"] == "process"
    mac.well("service", "disable", OMLX_HOME=str(other))
    assert not mac.plist.exists()
    mac.well("restart")
    assert mac.status()["manager"] == "launchd"


def test_idle_exit_ends_a_daemon_that_a_connection_starts_again(mac: Mac) -> None:
    mac.configure('[daemon]\nidle_exit = "3s"\n')
    mac.well("start")
    mac.wait_gone()
    assert "nobody wanted anything for 3s" in mac.paths.daemon_log.read_text()
    assert mac.omlx("status").returncode == 4
    assert mac.curl()["state"] == "ready"
    assert next(event["code"] for event in mac.journal("exit")) == 0
