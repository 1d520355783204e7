"""The stand-in for launchd behaves as launchd is known to."""

from __future__ import annotations

import os
import plistlib
import re
import signal
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.standin.mac import GUI, USER, Mac
from tests.standin.machine import free_port
from tests.waiting import wait_until

NAME = "test.job"
JOB = f"{GUI}/{NAME}"
SLEEP = ["/bin/sleep", "600"]


def put(mac: Mac, arguments: list[str] | None = None, **more: Any) -> str:
    path = mac.home / f"{NAME}.plist"
    path.write_bytes(plistlib.dumps({"Label": NAME, "ProgramArguments": arguments or SLEEP, **more}))
    path.chmod(0o600)
    return str(path)


def load(mac: Mac, *arguments: str, **more: Any) -> None:
    assert call(mac, "bootstrap", GUI, put(mac, list(arguments) or None, **more)) == 0


def call(mac: Mac, *words: str) -> int:
    return mac.manager(*words).returncode


def shown(mac: Mac, key: str) -> str:
    """Return one of the job's own lines, as a reader who counts tabs finds it."""
    found = re.findall(rf"^\t{key} = (.*)$", mac.manager("print", JOB).stdout, re.MULTILINE)
    return found[0] if found else ""


def settled(mac: Mac, state: str) -> None:
    wait_until(lambda: shown(mac, "state") == state)


def script(mac: Mac, text: str) -> str:
    path = mac.home / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def true_code(mac: Mac) -> int:
    return int(mac.journal("refused")[-1]["true_code"])


def test_a_loaded_job_waits_for_its_kick(mac: Mac) -> None:
    load(mac)
    assert (shown(mac, "state"), shown(mac, "runs"), shown(mac, "last exit code")) == (
        "not running", "0", "(never exited)",
    )  # fmt: skip
    kicked = mac.manager("kickstart", "-p", JOB)
    assert kicked.returncode == 0
    settled(mac, "running")
    assert kicked.stdout == f"{shown(mac, 'pid')}\n"
    pid = int(kicked.stdout)
    assert os.getpgid(pid) == pid == os.getsid(pid)
    again = mac.manager("kickstart", JOB)
    assert (again.returncode, again.stdout + again.stderr) == (37, "")


def test_the_print_out_nests_lines_that_look_alike(mac: Mac) -> None:
    load(mac)
    text = mac.manager("print", JOB).stdout
    assert text.index("\t\t\tstate = running") < text.index("\n\tstate = not running")
    assert "\tspawn type = daemon (4)\n" in text


def test_kickstart_k_replaces_the_process(mac: Mac) -> None:
    load(mac, ThrottleInterval=1)
    first = mac.manager("kickstart", "-p", JOB).stdout
    second = mac.manager("kickstart", "-kp", JOB).stdout
    assert int(first) != int(second)
    assert not psutil.pid_exists(int(first))
    assert (shown(mac, "runs"), shown(mac, "last terminating signal")) == ("2", "Killed: 9")


def test_an_unknown_label_is_113_to_print_and_kickstart_and_3_to_bootout(mac: Mac) -> None:
    printed = mac.manager("print", JOB)
    assert (printed.returncode, printed.stderr.splitlines()[0]) == (113, "Bad request.")
    assert f'Could not find service "{NAME}" in domain for user gui: {os.getuid()}' in printed.stderr
    assert call(mac, "kickstart", JOB) == 113
    gone = mac.manager("bootout", JOB)
    assert (gone.returncode, "No such process" in gone.stderr) == (3, True)


@pytest.mark.parametrize("words", [("bootout", "--wait", JOB), ("kickstart", "-x", JOB), ("explode",), (), ("print",)])
def test_what_it_does_not_know_is_64(mac: Mac, words: tuple[str, ...]) -> None:
    assert call(mac, *words) == 64


def test_bootout_returns_before_the_process_has_ended(mac: Mac) -> None:
    mac.wish(drain_s=0.3)
    up, go = mac.home / "up", mac.home / "go"
    text = f"trap 'while [ ! -e {go} ]; do sleep 0.1; done; exit 0' TERM; touch {up}; while :; do sleep 0.1; done"
    load(mac, script(mac, text), ExitTimeOut=6000)
    pid = int(mac.manager("kickstart", "-p", JOB).stdout)
    wait_until(up.exists)
    assert call(mac, "bootout", JOB) == 0
    assert psutil.pid_exists(pid)
    assert shown(mac, "state") == "SIGTERMed"
    refused = mac.manager("bootstrap", GUI, put(mac))
    assert (refused.returncode, true_code(mac)) == (5, 37)
    assert refused.stderr.startswith("Bootstrap failed: 5: Input/output error\nTry re-running")
    assert call(mac, "kickstart", JOB) == 37
    go.touch()
    wait_until(lambda: call(mac, "print", JOB) == 113)
    assert not psutil.pid_exists(pid)
    assert call(mac, "bootstrap", GUI, put(mac)) == 0


def test_a_process_that_does_not_end_is_killed_after_its_exit_timeout(mac: Mac) -> None:
    load(mac, script(mac, "trap '' TERM; echo up; while :; do sleep 0.1; done"), ExitTimeOut=20)
    call(mac, "kickstart", "-p", JOB)
    settled(mac, "running")
    call(mac, "bootout", JOB)
    wait_until(lambda: call(mac, "print", JOB) == 113)
    assert mac.journal("exit")[-1]["code"] in (-9, -15)


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (b"no plist", 0o600, 109),
        (plistlib.dumps({"Label": NAME}), 0o600, 111),
        (plistlib.dumps({"Label": NAME, "ProgramArguments": SLEEP}), 0o622, 122),
        (
            plistlib.dumps({"Label": NAME, "ProgramArguments": SLEEP, "LimitLoadToSessionType": "Background"}),
            0o600,
            134,
        ),
    ],
)
def test_every_refusal_of_a_definition_is_5(mac: Mac, content: bytes, mode: int, code: int) -> None:
    path = Path(put(mac))
    path.write_bytes(content)
    path.chmod(mode)
    assert call(mac, "bootstrap", GUI, str(path)) == 5
    assert true_code(mac) == code


def test_a_job_without_a_session_type_is_for_the_screen_alone(mac: Mac) -> None:
    assert call(mac, "bootstrap", USER, put(mac)) == 5
    assert true_code(mac) == 134
    assert call(mac, "bootstrap", USER, put(mac, LimitLoadToSessionType=["Aqua", "Background"])) == 0


def test_without_a_screen_its_domain_does_nothing(mac: Mac) -> None:
    mac.wish(gui=False)
    codes = [call(mac, "bootstrap", GUI, put(mac)), call(mac, "kickstart", JOB), call(mac, "bootout", JOB)]
    assert codes == [125, 125, 125]
    assert (call(mac, "print", GUI), call(mac, "print", USER)) == (125, 0)


def test_a_disabled_label_stays_disabled_until_it_is_enabled(mac: Mac) -> None:
    assert call(mac, "disable", JOB) == 0
    assert call(mac, "bootstrap", GUI, put(mac)) == 5
    assert true_code(mac) == 119
    assert f'"{NAME}" => disabled' in mac.manager("print-disabled", GUI).stdout
    mac.wish(old_words=True)
    assert f'"{NAME}" => true' in mac.manager("print-disabled", GUI).stdout
    assert call(mac, "enable", JOB) == 0
    assert call(mac, "bootstrap", GUI, put(mac)) == 0


def test_a_definition_is_what_it_was_when_it_was_loaded(mac: Mac) -> None:
    load(mac)
    put(mac, ["/bin/false"])
    mac.manager("kickstart", "-p", JOB)
    settled(mac, "running")
    assert shown(mac, "program") == "/bin/sleep"


def test_a_second_spawn_waits_for_the_throttle(mac: Mac) -> None:
    load(mac, "/bin/true", ThrottleInterval=160)
    call(mac, "kickstart", JOB)
    settled(mac, "not running")
    call(mac, "kickstart", JOB)
    assert shown(mac, "state") == "spawn scheduled"
    wait_until(lambda: shown(mac, "runs") == "2")


@pytest.mark.parametrize(
    ("keep", "program", "runs_on"),
    [
        (True, "exit 0", True),
        ({"SuccessfulExit": False}, "exit 0", False),
        ({"SuccessfulExit": False}, "exit 3", True),
        ({"Crashed": True}, "exit 3", False),
        ({"Crashed": True}, "kill -SEGV $$", True),
        ({"Crashed": True}, "kill -KILL $$", False),
    ],
)
def test_keep_alive(mac: Mac, keep: object, program: str, runs_on: bool) -> None:
    load(mac, script(mac, program), KeepAlive=keep, ThrottleInterval=1)
    wait_until(lambda: len(mac.journal("exit")) >= 1)
    if runs_on:
        wait_until(lambda: len(mac.journal("exit")) >= 3)
    else:
        settled(mac, "not running")
        assert shown(mac, "runs") == "1"


@pytest.mark.parametrize("more", [{}, {"StandardOutPath": "/no/such/folder/log"}])
def test_what_cannot_be_run_ends_in_78(mac: Mac, more: dict[str, str]) -> None:
    load(mac, *([] if more else ["/no/such/program"]), **more)
    call(mac, "kickstart", JOB)
    wait_until(lambda: shown(mac, "last exit code") == "78: EX_CONFIG")


def test_a_job_starts_with_a_clean_environment(mac: Mac) -> None:
    output = mac.home / "out"
    variables = {"MINE": "1"}
    load(mac, "/usr/bin/env", StandardOutPath=str(output), EnvironmentVariables=variables)
    call(mac, "kickstart", JOB)
    wait_until(lambda: output.exists() and "MINE=1\n" in output.read_text())
    names = {line.partition("=")[0] for line in output.read_text().splitlines()}
    assert names <= {"HOME", "USER", "LOGNAME", "TMPDIR", "PATH", "MINE", "XPC_SERVICE_NAME"}
    assert f"XPC_SERVICE_NAME={NAME}\n" in output.read_text()


def test_who_is_left_of_the_group_gets_sigterm(mac: Mac) -> None:
    child = mac.home / "child"
    load(mac, script(mac, f"sleep 600 & echo $! > {child}; exit 0"))
    call(mac, "kickstart", JOB)
    wait_until(lambda: child.exists() and child.read_text().endswith("\n"))
    wait_until(lambda: not psutil.pid_exists(int(child.read_text())))


def test_a_connection_starts_a_job_with_sockets(mac: Mac) -> None:
    port = free_port()
    sockets = {"web": {"SockNodeName": "127.0.0.1", "SockServiceName": str(port), "SockFamily": "IPv4"}}
    load(mac, Sockets=sockets)
    assert shown(mac, "state") == "not running"
    with socket.create_connection(("127.0.0.1", port)):
        settled(mac, "running")
    call(mac, "bootout", JOB)
    wait_until(lambda: call(mac, "print", JOB) == 113)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    mac = Mac(folder, "")
    load(mac, script(mac, "trap '' TERM HUP; while :; do sleep 0.1; done"))
    pid = int(mac.manager("kickstart", "-p", JOB).stdout)
    settled(mac, "running")
    mac.close()
    wait_until(lambda: is_gone(pid))
    assert not mac.state.exists()


def test_a_signal_goes_to_the_process(mac: Mac) -> None:
    load(mac)
    mac.manager("kickstart", "-p", JOB)
    settled(mac, "running")
    assert call(mac, "kill", "TERM", JOB) == 0
    settled(mac, "not running")
    assert shown(mac, "last terminating signal") == f"Terminated: {int(signal.SIGTERM)}"
