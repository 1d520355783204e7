"""The definitions themselves: what is read, what is written, which paths they name."""

from __future__ import annotations

import plistlib
import stat
from pathlib import Path

import pytest

from omlx_cli.contract.errors import OmlxError
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import DaemonSettings, ServerSettings, Settings
from omlx_cli.service import definition, plist
from omlx_cli.service.job import Job, lasting
from omlx_cli.service.plist import Installed
from omlx_cli.service.starting import Ended, Starting


def job() -> Job:
    server = ServerSettings(host="::1", port=9000, api_key="key")
    return Job.of(Paths(Path("/home/one/.omlx")), Settings(server=server), {"HF_TOKEN": "secret"})


@pytest.mark.parametrize("login", [False, True])
def test_what_is_rendered_is_what_is_read(login: bool) -> None:
    data = plist.render(job(), login)
    found = Installed.parse(data)
    assert found is not None
    assert (found.login, found.listens, found.is_ours, found.can_run) == (login, "[::1]:9000", True, True)
    assert found.home == Path("/home/one/.omlx")
    assert data == plist.render(job(), login)
    assert b"secret" not in data
    assert b"key</string>" not in data.replace(b"</key>", b"")


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", b"<plist><dict>", b"bplist00\0", plistlib.dumps([]), plistlib.dumps({}),
     plistlib.dumps({"ProgramArguments": []}), plistlib.dumps({"ProgramArguments": ["a"], "Sockets": [1]})],
)  # fmt: skip
def test_what_is_no_definition_is_read_as_none(data: bytes) -> None:
    assert Installed.parse(data) is None


def test_a_stop_that_may_take_for_ever_has_an_end() -> None:
    settings = Settings(daemon=DaemonSettings(stop_timeout="never"))
    assert plistlib.loads(plist.render(Job.of(Paths(Path("/h")), settings, {}), False))["ExitTimeOut"] == 86410


def test_a_path_in_a_keg_is_named_by_what_outlives_it(tmp_path: Path) -> None:
    keg = tmp_path / "Cellar" / "omlx" / "1.2.3"
    (keg / "bin").mkdir(parents=True)
    program = keg / "bin" / "omlx-daemon"
    program.write_text("")
    program.chmod(0o755)
    assert lasting(str(program)) == str(program)
    (tmp_path / "opt").mkdir()
    (tmp_path / "opt" / "omlx").symlink_to(keg)
    assert lasting(str(program)) == str(tmp_path / "opt" / "omlx" / "bin" / "omlx-daemon")
    assert lasting("/usr/bin/omlx-daemon") == "/usr/bin/omlx-daemon"


def test_a_definition_is_written_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "Library" / "LaunchAgents" / "job.plist"
    assert definition.read(path) is None
    definition.write(path, b"one")
    path.chmod(0o644)
    definition.write(path, b"two")
    assert (definition.read(path), stat.S_IMODE(path.stat().st_mode)) == (b"two", 0o600)
    assert [*path.parent.iterdir()] == [path]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "Library").write_text("")
    with pytest.raises(OmlxError) as caught:
        definition.write(tmp_path / "Library" / "job.plist", b"")
    assert str(caught.value).startswith(f"cannot write {tmp_path}/Library/job.plist: ")


@pytest.mark.parametrize(
    ("log", "ended", "code", "message"),
    [
        ("error: no room\nhint: make some\n", Ended(1, "exit code 1"), "daemon_unreachable",
         "the daemon ended while starting (exit code 1): no room"),
        ("error: bad key\nhint: x\n", Ended(2, "exit code 2"), "invalid_config", "bad key"),
        ("", Ended(75, "exit code 75"), "already_running", "another daemon holds the lock"),
        ("", Ended(78, "exit code 78: EX_CONFIG"), "daemon_unreachable",
         "the daemon ended while starting (exit code 78: EX_CONFIG): its program cannot be run"),
        ("Trace\nImportError: x\n", Ended(None, "signal Killed: 9"), "daemon_unreachable",
         "the daemon ended while starting (signal Killed: 9): ImportError: x"),
        ("", Ended(None, "signal Killed: 9"), "daemon_unreachable",
         "the daemon ended while starting (signal Killed: 9)"),
    ],
)  # fmt: skip
def test_how_a_start_failed(tmp_path: Path, log: str, ended: Ended, code: str, message: str) -> None:
    path = tmp_path / "boot.log"
    path.write_text("error: of the last start\n")
    starting = Starting(lambda: False, path)
    starting.begin()
    with path.open("a") as file:
        file.write(log)
    error = starting.failure(ended)
    assert (error.code, str(error)) == (code, message)
