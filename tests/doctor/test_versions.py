"""Python, libraries, and a daemon of another version."""

from __future__ import annotations

import sys

import msgspec
import pytest

from omlx_cli import __version__
from omlx_cli.contract import routes
from omlx_cli.diagnosis import versions
from omlx_cli.diagnosis.check import Verdict
from tests.cli.stand_in import StandIn, reply
from tests.doctor.conftest import Look, only


def test_what_is_installed_here(look: Look) -> None:
    checks = look("versions")
    assert [(check.name, check.verdict) for check in checks] == [
        ("python", Verdict.OK), ("libraries", Verdict.OK), ("daemon", Verdict.OK),
    ]  # fmt: skip
    assert only(checks, "libraries").found.startswith(f"omlx {__version__}, mlx 0.")


def test_a_python_that_is_too_old() -> None:
    check = versions.python((3, 10))
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "python3.11 -m pip install omlx")


def test_a_library_of_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    said = (
        f"omlx {__version__} has requirement mlx<0.33,>=0.32, but you have mlx 0.31.0.\n"
        "other 1.0 requires nothing, which is not installed.\n"
    )
    monkeypatch.setattr(versions, "PIP", ("-c", f"print({said!r}, end='')"))
    check = versions.libraries()
    assert check.verdict is Verdict.BROKEN
    assert check.found.endswith("; has requirement mlx<0.33,>=0.32, but you have mlx 0.31.0")
    assert check.fix == f"{sys.executable} -m pip install --force-reinstall omlx"


def test_a_library_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "_SHOWN", ("mlx", "no-such-library"))
    check = versions.libraries()
    assert (check.verdict, "no-such-library missing" in check.found) == (Verdict.BROKEN, True)


def test_a_daemon_of_another_version_or_place(look: Look, daemon: StandIn) -> None:
    health = msgspec.structs.replace(daemon.health(), prefix=sys.prefix)
    for changed, verdict, found in (
        (health, Verdict.OK, f"the daemon is omlx {__version__}, as this command is"),
        (msgspec.structs.replace(health, version="0.0.1"), Verdict.WARNING,
         f"the daemon is omlx 0.0.1, this command {__version__}"),
        (msgspec.structs.replace(health, prefix="/opt/omlx"), Verdict.WARNING,
         f"the daemon runs from /opt/omlx, this command from {sys.prefix}; both are omlx {__version__}"),
    ):  # fmt: skip
        daemon.says("GET", routes.HEALTH, reply(changed))
        check = only(look("versions"), "daemon")
        assert (check.verdict, check.found) == (verdict, found)
        assert check.fix == ("" if verdict is Verdict.OK else "omlx restart")
