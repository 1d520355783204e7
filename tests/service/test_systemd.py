"""The real daemon as a unit of a stand-in for the user's systemd, and the units themselves."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import ServerSettings, Settings
from omlx_cli.service import units
from omlx_cli.service.job import Job
from tests.standin.linux import Linux
from tests.standin.machine import free_port
from tests.waiting import wait_until


@pytest.fixture
def linux(tmp_path: Path) -> Iterator[Linux]:
    machine = Linux(tmp_path)
    yield machine
    machine.close()


def pid(linux: Linux) -> int:
    return int(linux.status()["pid"])


def active(linux: Linux, unit: str = "omlx.service") -> str:
    return linux.show(unit, "ActiveState")


def test_a_cold_start_writes_the_units_and_starts_them(linux: Linux) -> None:
    assert linux.well("ps").startswith("NAME")
    status = linux.status()
    assert (status["manager"], status["address"]) == ("systemd", f"127.0.0.1:{linux.port}")
    assert linux.show("omlx.service", "MainPID") == str(status["pid"])
    assert (active(linux), active(linux, "omlx.socket")) == ("active", "active")
    said = [line["said"] for line in linux.journal("notify")]
    assert said[:2] == ["READY=1", "STATUS=ready"]
    assert (linux.units / "omlx.service").stat().st_mode & 0o777 == 0o600
    assert linux.show("omlx.service", "UnitFileState") == "disabled"
    assert linux.show("omlx.socket", "UnitFileState") == "enabled"


def test_twenty_at_once_start_one_daemon(linux: Linux) -> None:
    running = [linux.popen("ps") for _ in range(20)]
    for process in running:
        _, err = process.communicate(timeout=100)
        assert (process.returncode, err) == (0, "")
    assert len(linux.journal("spawn")) == 1


def test_stop_frees_the_port_and_says_that_it_stops(linux: Linux) -> None:
    linux.well("start")
    assert linux.well("stop") == "stopped\n"
    wait_until(lambda: active(linux) == "inactive")
    assert "STOPPING=1" in [line["said"] for line in linux.journal("notify")]
    with socket.create_server(("127.0.0.1", linux.port)):
        assert linux.omlx("status").returncode == 4
    linux.well("restart")
    assert len(linux.journal("spawn")) == 2


def test_a_plain_curl_starts_the_daemon(linux: Linux) -> None:
    linux.well("start")
    os.kill(pid(linux), signal.SIGTERM)
    wait_until(lambda: active(linux) == "inactive")
    assert linux.curl()["state"] == "ready"
    assert len(linux.journal("connection")) == 1
    assert linux.status()["manager"] == "systemd"


def test_a_crash_is_followed_by_a_start(linux: Linux) -> None:
    linux.well("start")
    os.kill(pid(linux), signal.SIGKILL)
    wait_until(lambda: len(linux.journal("spawn")) == 2)
    linux.well("ps")
    assert active(linux) == "active"


def test_what_keeps_the_daemon_from_starting_is_told(linux: Linux) -> None:
    linux.paths.daemon_log.mkdir(parents=True)
    done = linux.omlx("ps")
    assert done.returncode == 4
    assert done.stderr.startswith("error: the daemon ended while starting (exit code 4): cannot write ")
    linux.paths.daemon_log.rmdir()
    linux.well("ps")


def test_a_busy_port_leaves_the_commands_working(linux: Linux) -> None:
    with socket.create_server(("127.0.0.1", linux.port)):
        done = linux.omlx("start")
        assert (done.returncode, f"port {linux.port} on 127.0.0.1 is in use" in done.stderr) == (0, True)
        assert linux.status()["address"] == ""


def test_changed_settings_make_changed_units_that_systemd_reads(linux: Linux) -> None:
    linux.well("start")
    linux.port = free_port()
    linux.configure()
    linux.well("restart")
    assert linux.curl()["state"] == "ready"
    linux.configure(port=0)
    linux.well("restart")
    assert not (linux.units / "omlx.socket").exists()
    assert "omlx.socket" not in linux.unit()
    assert linux.status()["manager"] == "systemd"


def test_a_program_that_is_gone_is_replaced(linux: Linux) -> None:
    linux.well("start")
    linux.well("stop")
    wait_until(lambda: active(linux) == "inactive")
    stale = linux.unit().replace("omlx-daemon", "omlx-daemon-of-old")
    (linux.units / "omlx.service").write_text(stale)
    assert "is not there any more" in linux.service()["problem"]
    linux.well("ps")
    assert "of-old" not in linux.unit()


def test_login_start_and_the_hint_to_linger(linux: Linux) -> None:
    done = linux.omlx("service", "enable")
    assert (done.returncode, done.stdout) == (0, "the daemon starts at login from now on\n")
    assert "loginctl enable-linger" in done.stderr
    assert (linux.units / "default.target.wants" / "omlx.service").is_symlink()
    assert linux.service()["login"] is True
    linux.well("service", "disable")
    assert linux.service()["login"] is False


def test_where_systemd_refuses_the_daemon_runs_by_itself(linux: Linux) -> None:
    linux.wish(fail_next=[["daemon-reload", 1]])
    done = linux.omlx("ps")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: systemd does not start the daemon, so it runs by itself: systemctl daemon")
    assert linux.status()["manager"] == "process"


def test_a_masked_unit_stays_masked_and_the_daemon_runs_by_itself(linux: Linux) -> None:
    linux.manager("--user", "mask", "omlx.service")
    assert "is masked" in linux.manager("--user", "start", "omlx.service").stderr
    done = linux.omlx("ps")
    assert done.returncode == 0
    told = "omlx.service is masked, which systemctl --user unmask omlx.service ends"
    assert done.stderr == f"warning: systemd does not start the daemon, so it runs by itself: {told}\n"
    assert linux.status()["manager"] == "process"
    refused = linux.omlx("service", "enable")
    assert (refused.returncode, refused.stderr.splitlines()[0]) == (1, f"error: systemd refuses: {told}")
    shown = linux.omlx("service", "status")
    assert "written by" not in shown.stdout
    assert shown.stderr.startswith("warning: systemd was told never to start omlx.service; systemctl --user unmask")
    assert (linux.units / "omlx.service").readlink() == Path(os.devnull)
    linux.well("stop")
    linux.manager("--user", "unmask", "omlx.service")
    linux.well("ps")
    assert linux.status()["manager"] == "systemd"


def test_without_a_users_manager_it_is_a_plain_process(linux: Linux) -> None:
    (linux.runtime / "systemd" / "private").unlink()
    linux.well("ps")
    assert linux.status()["manager"] == "process"
    assert not linux.units.exists()
    assert "no service manager answers here" in linux.well("service", "status")


def test_idle_exit_ends_a_daemon_that_a_connection_starts_again(linux: Linux) -> None:
    linux.configure('[daemon]\nidle_exit = "3s"\n')
    linux.well("start")
    linux.wait_gone()
    wait_until(lambda: active(linux) == "inactive")
    assert linux.curl()["state"] == "ready"


ODD = Paths(Path('/home/o"d d/50%/$x/.omlx'))


def job(port: int = 8000, host: str = "127.0.0.1", api_key: str = "") -> Job:
    settings = Settings(server=ServerSettings(port=port, host=host, api_key=api_key))
    return Job.of(ODD, settings, {"HF_HOME": "/models\\here", "HF_TOKEN": "secret"})


def test_odd_names_survive_the_unit_file() -> None:
    text = units.service(job())
    found = units.InstalledUnit.parse(text.encode())
    assert (found.home, found.environment["HF_HOME"]) == (ODD.home, "/models\\here")
    assert "secret" not in text
    assert found.is_ours


@pytest.mark.parametrize(
    ("port", "host", "key", "stream"),
    [
        (8000, "127.0.0.1", "", "127.0.0.1:8000"),
        (8000, "localhost", "", "127.0.0.1:8000"),
        (8000, "::1", "", "[::1]:8000"),
        (0, "127.0.0.1", "", ""),
        (8000, "0.0.0.0", "", ""),
        (8000, "0.0.0.0", "key", "0.0.0.0:8000"),
    ],
)
def test_only_what_the_daemon_would_serve_is_listened_on(port: int, host: str, key: str, stream: str) -> None:
    assert units.address(units.listener(job(port, host, key)).encode()) == stream


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed here")
def test_systemd_itself_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    program = tmp_path / "omlx-daemon"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    settled = Job.of(Paths(tmp_path / ".omlx"), Settings(), {})
    wanted = Job((str(program),), settled.environment, settled.listen, settled.start_s, settled.stop_s, settled.log)
    (tmp_path / "omlx.service").write_text(units.service(wanted))
    (tmp_path / "omlx.socket").write_text(units.listener(wanted))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", "./omlx.service", "./omlx.socket"],
        cwd=tmp_path,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
