"""The real daemon as a job of a stand-in for launchd: started, stopped, crashed, redefined, hindered."""

from __future__ import annotations

import os
import signal
import socket
import stat
import sys
from pathlib import Path

import pytest

from omlx_cli.contract.services import LABEL
from tests.standin.mac import GUI, USER, Mac
from tests.standin.machine import free_port
from tests.waiting import delete, wait_until


def pid(mac: Mac) -> int:
    return int(mac.status()["pid"])


def program(mac: Mac) -> str:
    return str(mac.definition()["ProgramArguments"][0])


def brewed(path: str = "") -> dict[str, object]:
    """Return the definition as the formula's service block has it written."""
    return {
        "Label": LABEL,
        "ProgramArguments": [path or str(Path(sys.executable).with_name("omlx-daemon"))],
        "LimitLoadToSessionType": ["Aqua", "Background", "LoginWindow", "StandardIO", "System"],
        "RunAtLoad": True,
    }


def test_a_cold_start_loads_a_job_that_starts_on_demand(mac: Mac) -> None:
    assert mac.well("ps").startswith("NAME")
    content = mac.definition()
    assert {"RunAtLoad", "KeepAlive"}.isdisjoint(content)
    assert (content["ProcessType"], content["LimitLoadToSessionType"]) == ("Interactive", ["Aqua", "Background"])
    assert (content["ExitTimeOut"], content["SoftResourceLimits"]) == (30, {"NumberOfFiles": 16384})
    assert Path(program(mac)).name == "omlx-daemon"
    assert content["Sockets"]["omlx"]["SockServiceName"] == str(mac.port)
    assert stat.S_IMODE(mac.plist.stat().st_mode) == 0o600
    status = mac.status()
    assert (status["manager"], status["address"]) == ("launchd", f"127.0.0.1:{mac.port}")
    assert mac.daemons() == [status["pid"]]
    assert f"\tpid = {status['pid']}\n" in mac.job()
    assert "manager   launchd\n" in mac.well("status")


def test_the_job_sees_nothing_of_the_shell_but_where_models_lie(mac: Mac, tmp_path: Path) -> None:
    mac.well("start", HF_HOME=str(tmp_path / "hf"), HF_TOKEN="secret", EDITOR="vi")
    variables = Path(f"/proc/{pid(mac)}/environ").read_bytes().decode().split("\0")
    assert f"HF_HOME={tmp_path / 'hf'}" in variables
    assert f"OMLX_HOME={mac.paths.home}" in variables
    assert not [variable for variable in variables if variable.startswith(("HF_TOKEN", "EDITOR"))]


def test_twenty_at_once_start_one_daemon(mac: Mac) -> None:
    running = [mac.popen("ps", *(["--json"] if number % 2 else [])) for number in range(20)]
    for process in running:
        _, err = process.communicate(timeout=100)
        assert (process.returncode, err) == (0, "")
    assert len(mac.journal("spawn")) == 1
    assert mac.asked("bootstrap") == 1


def test_stop_frees_the_port_and_the_next_start_loads_the_job_again(mac: Mac) -> None:
    mac.well("start")
    assert mac.well("stop") == "stopped\n"
    wait_until(lambda: not mac.job())
    with socket.create_server(("127.0.0.1", mac.port)):
        assert mac.omlx("status").returncode == 4
    mac.well("start")
    assert len(mac.journal("spawn")) == 2
    assert mac.well("stop") == "stopped\n"
    assert mac.well("stop") == "the daemon was not running\n"


def test_a_start_while_the_last_daemon_drains_waits_for_its_end(mac: Mac) -> None:
    mac.well("start")
    first = pid(mac)
    with socket.create_connection(("127.0.0.1", mac.port)) as client:
        # A request of which half has come keeps the daemon for some seconds.
        client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
        stopping = mac.popen("stop")
        wait_until(lambda: "state = SIGTERMed\n" in mac.job().replace("\tstate = running", ""))
        mac.well("start")
        assert pid(mac) != first
    stopping.communicate(timeout=60)
    assert mac.asked("bootstrap") >= 2


def test_a_label_that_lingers_after_its_process_is_waited_for(mac: Mac) -> None:
    mac.wish(drain_s=2.0)
    mac.well("restart")
    mac.well("restart")
    assert len(mac.journal("spawn")) == 2
    assert not mac.journal("refused")


def test_a_disabled_label_is_enabled_again(mac: Mac) -> None:
    mac.manager("disable", f"{GUI}/{LABEL}")
    mac.well("ps")
    assert f'"{LABEL}" => enabled' in mac.manager("print-disabled", GUI).stdout


def test_without_a_screen_the_job_lives_in_the_users_own_domain(mac: Mac) -> None:
    mac.wish(gui=False)
    mac.well("ps")
    assert mac.job(USER)
    mac.wish(gui=True)
    assert mac.service()["name"] == f"{USER}/{LABEL}"
    mac.well("stop")
    wait_until(lambda: not mac.job(USER))
    mac.well("ps")
    assert mac.job(GUI)


def test_a_screen_that_goes_between_two_questions_is_no_failure(mac: Mac) -> None:
    mac.wish(fail_next=[["bootstrap", 125]])
    mac.well("ps")
    assert mac.job(USER)


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGSEGV])
def test_after_a_crash_the_next_command_and_the_next_connection_start_it(mac: Mac, kind: signal.Signals) -> None:
    mac.well("start")
    os.kill(pid(mac), kind)
    mac.well("ps")
    os.kill(pid(mac), kind)
    mac.wait_gone()
    assert mac.curl()["state"] == "ready"
    assert len(mac.journal("spawn")) == 3


def test_a_busy_port_leaves_the_commands_working(mac: Mac) -> None:
    with socket.create_server(("127.0.0.1", mac.port)):
        done = mac.omlx("start")
        assert done.returncode == 0, done.stderr
        assert f"port {mac.port} on 127.0.0.1 is in use" in done.stderr
        mac.well("ps")
        assert mac.status()["address"] == ""
    mac.well("restart")
    assert mac.status()["address"] == f"127.0.0.1:{mac.port}"


def test_a_definition_that_names_a_deleted_keg_is_renewed(mac: Mac) -> None:
    mac.well("start")
    mac.well("stop")
    content = mac.definition()
    content["ProgramArguments"] = ["/opt/homebrew/Cellar/omlx/0.0.1/bin/omlx-daemon"]
    mac.write_definition(content)
    wait_until(lambda: not mac.job())
    assert mac.manager("bootstrap", GUI, str(mac.plist)).returncode == 0
    service = mac.service()
    assert "omlx-daemon is not there any more" in service["problem"]
    mac.well("ps")
    assert program(mac) != content["ProgramArguments"][0]
    assert mac.service()["problem"] == ""


def test_a_deleted_run_directory_costs_no_restart(mac: Mac) -> None:
    mac.well("start")
    before = pid(mac)
    delete(mac.paths.run)
    mac.well("ps")
    assert (pid(mac), len(mac.journal("spawn"))) == (before, 1)
    assert mac.asked("bootout") == 0


def test_homebrews_own_definition_is_used_as_it_is(mac: Mac) -> None:
    mac.write_definition(brewed())
    mac.well("ps")
    assert mac.definition() == brewed()
    assert mac.service()["owner"] == "another program"
    assert mac.status()["manager"] == "launchd"
    done = mac.omlx("service", "enable")
    assert done.returncode == 6
    assert "brew services stop omlx" in done.stderr
    assert len(mac.journal("spawn")) == 1


def test_homebrews_definition_of_a_deleted_keg_is_taken_over(mac: Mac) -> None:
    mac.write_definition(brewed("/opt/homebrew/opt/omlx/bin/omlx-daemon"))
    assert mac.manager("bootstrap", GUI, str(mac.plist)).returncode == 0
    wait_until(lambda: "last exit code = 78" in mac.job())
    mac.well("ps")
    assert mac.service()["owner"] == "omlx"


def test_a_start_while_the_last_process_ends_is_asked_for_again(mac: Mac, tmp_path: Path) -> None:
    """A daemon that let go of its lock takes a moment to end, and launchd does not start what still runs."""
    up, go, job = tmp_path / "up", tmp_path / "go", tmp_path / "job"
    job.write_text(
        f"#!/bin/sh\n[ -e {up} ] && exec {Path(sys.executable).with_name('omlx-daemon')}\n"
        f"touch {up}; while [ ! -e {go} ]; do sleep 0.05; done\n"
    )
    job.chmod(0o755)
    mac.write_definition(brewed(str(job)))
    assert mac.manager("bootstrap", GUI, str(mac.plist)).returncode == 0
    wait_until(up.exists)
    waiting = mac.popen("ps")
    wait_until(
        lambda: (["kickstart", f"{GUI}/{LABEL}"], 37) in [(line["words"], line["code"]) for line in mac.journal()]
    )
    go.touch()
    _, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, "")


def test_a_start_that_launchd_holds_back_is_waited_for(mac: Mac) -> None:
    mac.write_definition(brewed())
    mac.well("start")
    os.kill(pid(mac), signal.SIGKILL)
    mac.wait_gone()
    mac.wish(hold_s=5.0)
    waiting = mac.popen("ps")
    wait_until(lambda: "\tstate = spawn scheduled\n" in mac.job())
    _, err = waiting.communicate(timeout=60)
    assert (waiting.returncode, err) == (0, "")


def test_changed_settings_make_a_changed_definition_that_launchd_reads(mac: Mac) -> None:
    mac.well("start")
    before = mac.port
    mac.port = free_port()
    mac.configure('[daemon]\nstop_timeout = "3s"\n')
    mac.well("restart")
    assert mac.port != before
    assert mac.curl()["state"] == "ready"
    assert mac.definition()["ExitTimeOut"] == 13
    assert "exit timeout = 13\n" in mac.job()


def test_what_launchd_loaded_before_is_not_taken_for_what_lies_on_disk(mac: Mac) -> None:
    mac.well("start")
    mac.well("service", "enable")
    assert "exit timeout = 30\n" in mac.job()
    os.kill(pid(mac), signal.SIGTERM)
    mac.wait_gone()
    mac.well("ps")
    assert "minimum runtime = 10\n" in mac.job()
    assert mac.service()["login"] is True


def test_a_plain_curl_starts_the_daemon(mac: Mac) -> None:
    mac.well("start")
    mac.well("stop")
    wait_until(lambda: not mac.job())
    # What launchd does at login.
    assert mac.manager("bootstrap", GUI, str(mac.plist)).returncode == 0
    assert mac.omlx("status").returncode == 4
    assert mac.curl()["state"] == "ready"
    assert len(mac.journal("connection")) == 1
    assert mac.status()["address"] == f"127.0.0.1:{mac.port}"
    mac.well("ps")
    assert len(mac.journal("spawn")) == 2


def test_a_daemon_that_cannot_start_says_so_to_a_plain_client_once(mac: Mac) -> None:
    mac.well("start")
    os.kill(pid(mac), signal.SIGTERM)
    mac.wait_gone()
    mac.paths.config.write_text("[servr]\n")
    assert "cannot start" in mac.curl()["error"]["message"]
    wait_until(lambda: len(mac.journal("exit")) == 2)
    wait_until(lambda: "\tstate = not running\n" in mac.job())
    assert len(mac.journal("spawn")) == 2
    assert "servr" in mac.well("service", "logs")
    mac.configure()
    assert mac.curl()["state"] == "ready"


def test_what_keeps_the_daemon_from_starting_is_told(mac: Mac) -> None:
    mac.paths.daemon_log.mkdir(parents=True)
    done = mac.omlx("ps")
    assert done.returncode == 4
    assert done.stderr.startswith("error: the daemon ended while starting (exit code 4): cannot write ")
    assert str(mac.paths.daemon_log) in done.stderr


def test_a_transient_failure_of_a_loaded_job_is_tried_again(mac: Mac) -> None:
    mac.wish(fail_next=[["kickstart", 5], ["bootstrap", 5]])
    mac.well("ps")
    assert mac.status()["manager"] == "launchd"


def test_where_launchd_refuses_the_daemon_runs_by_itself(mac: Mac) -> None:
    mac.wish(fail_next=[["kickstart", 139]])
    done = mac.omlx("ps")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: launchd does not start the daemon, so it runs by itself: launchctl kick")
    assert done.stderr.count("\n") == 1
    status = mac.status()
    assert (status["manager"], status["address"]) == ("process", f"127.0.0.1:{mac.port}")
    assert not mac.job()


def test_a_job_that_is_never_spawned_is_told_in_time(mac: Mac) -> None:
    mac.wish(never_spawn=True)
    mac.configure('[daemon]\nstart_timeout = "1500ms"\n')
    done = mac.omlx("ps")
    assert (done.returncode, done.stderr.splitlines()[0]) == (5, "error: the daemon was not ready within 2s")


def test_serve_takes_the_port_from_a_job_that_waits(mac: Mac) -> None:
    mac.well("start")
    os.kill(pid(mac), signal.SIGTERM)
    mac.wait_gone()
    assert mac.job()
    serving = mac.popen("serve")
    wait_until(lambda: mac.paths.daemon_info.exists())
    status = mac.status()
    assert (status["manager"], status["address"]) == ("foreground", f"127.0.0.1:{mac.port}")
    serving.send_signal(signal.SIGTERM)
    serving.communicate(timeout=60)


def test_settings_may_want_a_plain_process(mac: Mac) -> None:
    mac.configure('[daemon]\nservice = "process"\n')
    mac.well("ps")
    assert mac.status()["manager"] == "process"
    assert not mac.journal()
    assert mac.omlx("service", "enable").returncode == 1
