"""Python, libraries, and a daemon of another version."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import pytest

from omlx_cli import __version__
from omlx_cli.contract import routes
from omlx_cli.diagnosis import versions
from omlx_cli.diagnosis.check import Verdict
from omlx_cli.installation.places import reinstaller
from tests.cli.stand_in import StandIn, reply
from tests.doctor.conftest import Look, only


def test_what_is_installed_here(look: Look) -> None:
    checks = look("versions")
    assert [(check.name, check.verdict) for check in checks] == [
        ("python", Verdict.OK), ("libraries", Verdict.OK), ("daemon", Verdict.OK),
    ]  # fmt: skip
    assert only(checks, "libraries").found.startswith(f"omlx {__version__}, mlx 0.")


@pytest.mark.parametrize(
    ("said", "found", "wanted"),
    [
        (
            "has requirement mlx<0.33,>=0.32, but you have mlx 0.31.0.",
            "it needs mlx<0.33,>=0.32, and mlx 0.31.0 is here",
            "'mlx<0.33,>=0.32'",
        ),
        ("requires litestar, which is not installed.", "litestar is not installed", "litestar"),
    ],
)
def test_a_library_of_another_version_or_none(
    monkeypatch: pytest.MonkeyPatch, said: str, found: str, wanted: str
) -> None:
    text = f"omlx {__version__} {said}\nother 1.0 requires nothing, which is not installed.\n"
    monkeypatch.setattr(versions, "PIP", ("-c", f"print({text!r}, end='')"))
    check = versions.libraries()
    assert check.verdict is Verdict.BROKEN
    assert check.found.endswith(f"; {found}")
    assert check.fix == f"{sys.executable} -m pip install {wanted}"


def test_whoever_installed_it_repairs_it(tmp_path: Path) -> None:
    for folders, command in (
        (("pipx", "venvs", "omlx"), "pipx reinstall omlx"),
        (("uv", "tools", "omlx"), "uv tool upgrade --reinstall omlx"),
        (("Cellar", "omlx", "1"), "brew reinstall omlx"),
    ):
        assert reinstaller(["mlx"], tmp_path.joinpath(*folders)) == command


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
