"""`scripts/mac-smoke.sh`, run on the stand-in: its own logic holds, whatever a real Mac will say."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.standin.mac import Mac
from tests.standin.machine import ROOT, free_port

SCRIPT = ROOT / "scripts" / "mac-smoke.sh"
_STUBS = {
    "uname": 'case "$1" in -s) echo Darwin;; *) echo arm64;; esac',
    "sw_vers": "echo ProductVersion: 26.0",
    "plutil": f'exec {sys.executable} -I -c "import plistlib, sys; plistlib.load(open(sys.argv[1], \'rb\'))" "$2"',
    "omlx": f'exec {sys.executable} -I -m omlx_cli "$@"',
    "nc": f"exec {sys.executable} -I -c \"import socket, sys, time; s = socket.create_server(('127.0.0.1',"
    ' int(sys.argv[1]))); time.sleep(60)" "$3"',
}


@pytest.fixture
def stubbed(mac: Mac) -> Mac:
    for name, text in _STUBS.items():
        stub = mac.folder / "bin" / name
        stub.write_text(f"#!/bin/sh\n{text}\n")
        stub.chmod(0o755)
    return mac


def smoke(mac: Mac) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(SCRIPT)],
        env={**mac.environment, "TMPDIR": str(mac.home), "PORT": str(free_port())},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.timeout(300)
def test_every_check_passes_on_the_stand_in_and_nothing_is_left(stubbed: Mac) -> None:
    done = smoke(stubbed)
    assert "FAILED" not in done.stdout, done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "ok      all checks"
    assert "exit code 113 (expected 113)" in done.stdout
    assert not list(stubbed.home.glob("omlx-smoke*"))
    assert not stubbed.job()


def test_it_leaves_a_loaded_service_alone(stubbed: Mac) -> None:
    stubbed.well("start")
    done = smoke(stubbed)
    assert (done.returncode, "is loaded; run: omlx stop" in done.stdout) == (2, True)
    assert stubbed.status()["state"] == "ready"


def test_a_check_that_fails_is_told_and_is_1(stubbed: Mac) -> None:
    (stubbed.folder / "bin" / "omlx").write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    done = smoke(stubbed)
    assert done.returncode == 1
    assert "FAILED  a cold command starts the daemon\n        | broken\n" in done.stdout


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed here")
def test_the_scripts_are_clean() -> None:
    scripts = [str(path) for path in Path(ROOT / "scripts").glob("*.sh")]
    done = subprocess.run(["shellcheck", *scripts], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
