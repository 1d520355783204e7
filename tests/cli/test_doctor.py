"""doctor: verdicts, fixes, exit code."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from omlx_cli.client import Client
from omlx_cli.contract import routes
from omlx_cli.contract.api import DaemonState
from omlx_cli.contract.paths import Paths
from omlx_cli.contract.settings import ServerSettings
from omlx_cli.diagnosis import backend, home
from omlx_cli.diagnosis import daemon as daemon_module
from omlx_cli.diagnosis.check import Verdict
from tests.cli.conftest import Omlx
from tests.cli.stand_in import StandIn, reply


def test_a_healthy_installation(omlx: Omlx, paths: Paths) -> None:
    paths.config.write_text("[server]\nport = 0\n")
    ran = omlx("doctor")
    assert ran.err == ""
    assert [line.split()[1] for line in ran.out.splitlines() if not line.startswith(" ")] == [
        "python", "versions", "home", "settings", "disk", "memory", "daemon", "port", "service", "backend",
    ]  # fmt: skip
    assert ran.code == 0
    checks = json.loads(omlx("doctor", "--json").out)["checks"]
    found = {check["name"]: check for check in checks}
    assert found["backend"]["verdict"] in ("ok", "warn")
    assert found["port"]["found"] == "a free one is taken at the start"


def test_something_broken_is_1_and_names_the_fix(omlx: Omlx, paths: Paths) -> None:
    paths.config.write_text("[servr]\n")
    ran = omlx("doctor")
    assert ran.code == 1
    assert f"broken  settings  {paths.config}: " in ran.out
    assert f"                  fix: mend {paths.config}, or move it away\n" in ran.out


def test_a_home_that_others_can_look_into(paths: Paths) -> None:
    assert home.check_home(paths).verdict is Verdict.OK
    paths.home.chmod(0o755)
    check = home.check_home(paths)
    assert (check.verdict, check.fix) == (Verdict.WARN, f"chmod 700 {paths.home}")


def test_a_home_that_is_not_there_yet(tmp_path: Path) -> None:
    check = home.check_home(Paths(tmp_path / "a" / "b"))
    assert (check.verdict, check.found) == (Verdict.OK, f"{tmp_path}/a/b, made at the first start")


def test_an_api_key_that_others_can_read(paths: Paths) -> None:
    paths.config.write_text('[server]\napi_key = "k"\n')
    paths.config.chmod(0o644)
    assert home.check_settings(paths).fix == f"chmod 600 {paths.config}"
    paths.config.chmod(0o600)
    assert home.check_settings(paths).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("free_bytes", "verdict"), [(100_000_000, Verdict.BROKEN), (1_000_000_000, Verdict.WARN), (10**11, Verdict.OK)]
)
def test_room_on_the_disk(paths: Paths, monkeypatch: pytest.MonkeyPatch, free_bytes: int, verdict: Verdict) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": free_bytes}))
    assert home.check_room(paths).verdict is verdict


def test_a_running_daemon_and_its_port(daemon: StandIn, paths: Paths) -> None:
    client = Client(str(daemon.socket))
    assert daemon_found(paths, client) == (Verdict.OK, "ready, process 4242")
    daemon.version, daemon.state = "0.0.1", DaemonState.STUCK
    assert daemon_found(paths, client) == (Verdict.WARN, "stuck, process 4242, of version 0.0.1")
    assert port_found(client, 8000) == (Verdict.OK, "http://127.0.0.1:8000")
    status = daemon.status()
    info = msgspec.structs.replace(status.daemon, tcp_error="port 8000 is used by nginx")
    daemon.says("GET", routes.STATUS, reply(msgspec.structs.replace(status, daemon=info)))
    assert port_found(client, 8000) == (Verdict.BROKEN, "port 8000 is used by nginx")


def daemon_found(paths: Paths, client: Client) -> tuple[Verdict, str]:
    check = daemon_module.check_daemon(paths, client)
    return check.verdict, check.found


def port_found(client: Client, port: int) -> tuple[Verdict, str]:
    check = daemon_module.check_port(client, ServerSettings(port=port))
    return check.verdict, check.found


def test_a_port_that_somebody_else_has(paths: Paths) -> None:
    client = Client(str(paths.socket))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        verdict, found = port_found(client, port)
    assert verdict is Verdict.BROKEN
    assert found.startswith(f"127.0.0.1:{port} is used by ")
    assert port_found(client, port) == (Verdict.OK, f"127.0.0.1:{port} is free")


def test_a_daemon_that_holds_the_lock_and_is_silent(paths: Paths) -> None:
    holder = (
        "import fcntl,sys; f=open(sys.argv[1],'w'); fcntl.flock(f, fcntl.LOCK_EX); print('held', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(paths.daemon_lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        check = daemon_module.check_daemon(paths, Client(str(paths.socket)))
        process.communicate(b"\n")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "omlx stop --force")


@pytest.mark.parametrize(
    ("probe", "verdict", "fix"),
    [
        ({"backend": "metal"}, Verdict.OK, ""),
        ({"backend": "cpu", "blas": "OpenBLAS 0.3.21", "blas_path": "/usr/lib/libopenblas.so.0"}, Verdict.OK, ""),
        ({"backend": "cpu", "blas": "reference"}, Verdict.WARN, "apt-get install libopenblas0-pthread"),
    ],
)
def test_the_blas_decides_on_a_cpu(probe: dict[str, str], verdict: Verdict, fix: str) -> None:
    check = backend.judge(msgspec.convert(probe, backend.Probe))
    assert (check.verdict, check.fix) == (verdict, fix)


def test_a_worker_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "PROBE", ["-c", "raise SystemExit('ImportError: no mlx here')"])
    check = backend.check_backend()
    assert (check.verdict, check.found) == (Verdict.BROKEN, "a worker cannot start: ImportError: no mlx here")
    monkeypatch.setattr(backend, "PROBE", ["-c", "print('hello')"])
    assert backend.check_backend().found == "a worker says nothing that can be read"
