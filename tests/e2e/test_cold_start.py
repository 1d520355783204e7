"""The daemon starts itself, once, whatever happens around it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.e2e.conftest import Home


def start_ids(home: Home) -> set[str]:
    return {str(home.info()["start_id"])}


def ps_at_once(home: Home, count: int) -> None:
    running = [home.popen("ps", *(["--json"] if number % 2 else [])) for number in range(count)]
    for number, process in enumerate(running):
        out, err = process.communicate(timeout=100)
        assert process.returncode == 0, err
        assert json.loads(out)["models"] == [] if number % 2 else out.startswith("NAME")


def daemons_in(home: Home) -> list[int]:
    """Return the processes whose home is this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"omlx_daemon" in command and f"OMLX_HOME={home.path}".encode() in environment:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("attempt", range(3))
def test_twenty_ps_at_once_on_a_cold_machine_start_one_daemon(empty_home: Home, attempt: int) -> None:
    ps_at_once(empty_home, 20)
    assert len(daemons_in(empty_home)) == 1
    assert daemons_in(empty_home) == [empty_home.info()["pid"]]


def test_the_next_command_works_after_kill_9(empty_home: Home) -> None:
    assert empty_home.run("ps").returncode == 0
    before = start_ids(empty_home)
    empty_home.kill()
    after = empty_home.run("ps")
    assert after.returncode == 0, after.stderr
    assert start_ids(empty_home) != before


def test_stale_sockets_and_pid_files_do_not_matter(empty_home: Home) -> None:
    run = empty_home.path / "run"
    run.mkdir(mode=0o700, exist_ok=True)
    (run / "omlx.sock").write_text("not a socket")
    (run / "daemon.json").write_text(json.dumps({"pid": os.getpid(), "address": "127.0.0.1:1"}))
    (run / "daemon.lock").write_text(str(os.getpid()))
    (run / "start.lock").write_text("")
    done = empty_home.run("ps")
    assert done.returncode == 0, done.stderr
    assert empty_home.run("status").returncode == 0


def test_stop_then_status_then_start_again(empty_home: Home) -> None:
    assert empty_home.run("start").returncode == 0
    assert empty_home.run("stop").returncode == 0
    assert empty_home.run("status").returncode == 4
    assert daemons_in(empty_home) == []
    assert empty_home.run("restart").returncode == 0
    assert empty_home.run("status").returncode == 0
