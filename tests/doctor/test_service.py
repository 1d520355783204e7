"""What launchd and systemd know: stale definitions, lasting orders, somebody else's label."""

from __future__ import annotations

import json
import os
import plistlib
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.services import LABEL
from omlx_cli.diagnosis.check import Verdict
from tests.doctor.conftest import Look
from tests.service.conftest import launchd_library, mac
from tests.standin.linux import Linux
from tests.standin.mac import GUI, Mac
from tests.standin.machine import Machine, free_port
from tests.waiting import wait_until

__all__ = ["launchd_library", "mac"]


@pytest.fixture
def linux(tmp_path: Path) -> Iterator[Linux]:
    """Return a desktop whose user lingers not."""
    machine = Linux(tmp_path)
    yield machine
    machine.close()


def seen(machine: Machine) -> dict[str, dict[str, Any]]:
    """Return what doctor says of the service, by name."""
    done = machine.omlx("doctor", "service", "--json")
    assert done.returncode == 0, done
    return {check["name"]: check for check in json.loads(done.stdout)["checks"]}


def test_nobody_but_the_commands(look: Look) -> None:
    (check,) = look("service")
    assert check.verdict is Verdict.OK
    assert check.found.startswith("started as a plain process")


def test_a_job_that_is_well(mac: Mac) -> None:
    mac.well("start")
    found = seen(mac)
    assert found.keys() == {"service"}
    text = f"launchd: {GUI}/{LABEL} running, starts on a connection to 127.0.0.1:{mac.port}"
    assert (found["service"]["verdict"], found["service"]["found"]) == ("ok", text)


def test_a_stale_definition_is_renewed_by_the_fix(mac: Mac) -> None:
    mac.well("start")
    other = free_port()
    mac.configure(port=other)
    found = seen(mac)
    assert (found["definition"]["verdict"], found["definition"]["fix"]) == ("warning", "omlx restart")
    assert (
        found["definition"]["found"] == f"{mac.plist} is not as this omlx and its settings want it; a start renews it"
    )
    mac.well("restart")
    assert seen(mac).keys() == {"service"}


def test_a_definition_that_launchd_has_not_read(mac: Mac) -> None:
    mac.well("start")
    (mac.paths.run / "launchd.plist").write_bytes(b"another one")
    assert seen(mac)["definition"]["found"].endswith("was changed since launchd read it; a start renews it")


@pytest.mark.parametrize("old_words", [False, True])
def test_a_disabled_label(mac: Mac, old_words: bool) -> None:
    mac.wish(old_words=old_words)
    mac.manager("disable", f"{GUI}/{LABEL}")
    found = seen(mac)
    assert (found["disabled"]["verdict"], found["disabled"]["fix"]) == ("warning", f"launchctl enable {GUI}/{LABEL}")
    tool, *words = found["disabled"]["fix"].split()
    assert tool == mac.tool
    mac.manager(*words)
    assert seen(mac).keys() == {"service"}


def test_a_program_that_an_upgrade_took_away(mac: Mac) -> None:
    mac.well("start")
    mac.well("stop")
    wait_until(lambda: not mac.job())
    content = mac.definition()
    mac.write_definition({**content, "ProgramArguments": ["/gone/omlx-daemon"]})
    found = seen(mac)["service"]
    assert (found["verdict"], found["fix"]) == ("warning", "omlx restart")
    assert found["found"].endswith("not loaded; /gone/omlx-daemon is not there any more")


def test_the_label_of_another_omlx(mac: Mac, tmp_path: Path) -> None:
    keg = tmp_path / "Cellar" / "omlx" / "0.0.9" / "bin" / "omlx-daemon"
    keg.parent.mkdir(parents=True)
    shutil.copy("/bin/sleep", keg)
    mac.write_definition({"Label": LABEL, "ProgramArguments": [str(keg), "1000"]})
    mac.manager("bootstrap", GUI, str(mac.plist))
    found = seen(mac)["conflict"]
    assert (found["verdict"], found["fix"]) == ("warning", "brew services stop omlx")
    assert found["found"].startswith(f"the service starts {keg}, which is another omlx than this one; {mac.plist}")


def test_brews_own_definition_of_this_omlx_is_well(mac: Mac) -> None:
    program = Path(sys.executable).with_name("omlx-daemon")
    mac.write_definition({"Label": LABEL, "ProgramArguments": [str(program)]})
    assert seen(mac).keys() == {"service"}


def test_a_daemon_that_crashed(mac: Mac) -> None:
    mac.well("start")
    os.kill(int(mac.status()["pid"]), signal.SIGKILL)
    wait_until(lambda: mac.service()["pid"] == 0)
    found = seen(mac)["exit"]
    assert (found["verdict"], found["fix"]) == ("warning", "omlx service logs")
    assert found["found"] == "the daemon ended by itself (signal Killed: 9)"


def test_a_definition_that_is_no_definition(mac: Mac) -> None:
    mac.plist.parent.mkdir(parents=True)
    mac.plist.write_bytes(plistlib.dumps(["not", "a", "job"]))
    assert set(seen(mac)) == {"service"}


def test_units_that_are_stale(linux: Linux) -> None:
    linux.well("start")
    unit = linux.units / "omlx.service"
    unit.write_text(unit.read_text().replace("RestartSec=1", "RestartSec=9"))
    found = seen(linux)["definition"]
    assert (found["verdict"], found["fix"]) == ("warning", "omlx restart")
    assert found["found"].startswith(f"{unit} is not as this omlx")
    linux.well("restart")
    assert "definition" not in seen(linux)


def test_a_session_that_ends_with_the_user(linux: Linux) -> None:
    linux.well("start")
    found = seen(linux)["service"]
    assert (found["verdict"], "; it ends when you log out" in found["found"]) == ("warning", True)
    assert found["fix"].split()[:2] == ["loginctl", "enable-linger"]


def test_a_masked_unit_is_unmasked_by_the_fix(linux: Linux) -> None:
    linux.manager("--user", "mask", "omlx.service")
    found = seen(linux)
    assert (found["disabled"]["verdict"], found["disabled"]["fix"]) == (
        "warning",
        "systemctl --user unmask omlx.service",
    )
    assert found["disabled"]["found"] == "systemd was told never to start omlx.service"
    tool, *words = found["disabled"]["fix"].split()
    assert tool == linux.tool
    linux.manager(*words)
    assert "disabled" not in seen(linux)
