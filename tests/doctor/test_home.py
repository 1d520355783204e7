"""A home with wrong owners and permissions, and settings that no daemon starts with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from omlx_cli import keys
from omlx_cli.contract.paths import Paths
from omlx_cli.diagnosis.check import Verdict
from tests.doctor.conftest import STRANGER, Look, as_stranger, only

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


def test_a_home_that_is_well(look: Look, paths: Paths) -> None:
    (check,) = look("home")
    assert (check.verdict, check.found) == (Verdict.OK, f"{paths.home}, for you alone")


def test_a_home_that_is_not_there_yet(look: Look, omlx_home: Path) -> None:
    (check,) = look("home")
    assert (check.verdict, check.found) == (Verdict.OK, f"{omlx_home} is made at the first start")
    omlx_home.parent.chmod(0o555)
    try:
        with _reachable(omlx_home), as_stranger():
            (check,) = look("home")
    finally:
        omlx_home.parent.chmod(0o755)
    assert (check.verdict, check.fix) == (Verdict.BROKEN, f'sudo chown -R "$(id -un)" {omlx_home.parent}')


def test_a_home_behind_a_closed_door(look: Look, omlx_home: Path) -> None:
    door = omlx_home.parent
    door.chmod(0o600)
    try:
        with _reachable(door), as_stranger():
            (check,) = look("home")
    finally:
        door.chmod(0o755)
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "unset OMLX_HOME")
    assert check.found == f"{omlx_home} cannot be reached: {door} lets you not through"


@pytest.mark.parametrize("name", ["home", "run", "logs"])
def test_a_folder_that_others_can_look_into(look: Look, paths: Paths, name: str) -> None:
    folder: Path = getattr(paths, name)
    folder.chmod(0o755)
    (check,) = look("home")
    assert (check.verdict, check.fix) == (Verdict.WARNING, f"chmod 700 {folder}")


def test_a_file_that_others_can_read(look: Look, paths: Paths) -> None:
    paths.state.write_text("{}")
    paths.state.chmod(0o644)
    (check,) = look("home")
    assert (check.verdict, check.fix) == (Verdict.WARNING, f"chmod 600 {paths.state}")


def test_a_home_that_cannot_be_written(look: Look, paths: Paths) -> None:
    if not os.getuid():
        _give_away(paths.home)
    paths.logs.chmod(0o500)
    with _reachable(paths.home), as_stranger():
        (check,) = look("home")
    assert (check.verdict, check.found, check.fix) == (
        Verdict.BROKEN, f"{paths.logs} cannot be written", f"chmod u+rwx {paths.logs}",
    )  # fmt: skip


@as_root
def test_a_home_of_somebody_else(look: Look, paths: Paths) -> None:
    _give_away(paths.home)
    checks = look("home")
    assert {check.verdict for check in checks} == {Verdict.BROKEN}
    assert checks[0].found == f"{paths.home} belongs to user {STRANGER}, not to you"
    assert checks[0].fix == f'sudo chown -R "$(id -un)" {paths.home}'


@as_root
def test_files_that_a_sudo_left(look: Look, paths: Paths) -> None:
    for name in ("state.json", "config.toml"):
        (paths.home / name).write_text("")
        (paths.home / name).chmod(0o600)
        os.chown(paths.home / name, STRANGER, STRANGER)
    (check,) = look("home")
    assert (check.name, check.verdict) == ("owner", Verdict.BROKEN)
    assert check.found == f"{paths.home}/config.toml and 1 more belongs to another user"


def test_a_file_in_the_place_of_a_folder(look: Look, paths: Paths) -> None:
    paths.models.rmdir()
    paths.models.write_text("")
    (check,) = look("home")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, f"mv {paths.models} {paths.models}.old")


def test_settings(look: Look, paths: Paths) -> None:
    (check,) = look("settings")
    assert (check.verdict, check.found) == (Verdict.OK, "the defaults: there is no config.toml")
    paths.config.write_text("[server]\nport = 99999\n")
    (check,) = look("settings")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, f'"${{EDITOR:-vi}}" {paths.config}')
    assert check.found.startswith(f"{paths.config}: ")
    paths.config.write_text("[server\n")
    assert only(look("settings"), "settings").verdict is Verdict.BROKEN
    paths.config.write_text("")
    (check,) = look("settings")
    assert (check.verdict, check.found) == (Verdict.OK, f"{paths.config} can be read")


def test_an_open_address_without_a_key(look: Look, paths: Paths) -> None:
    paths.config.write_text('[server]\nhost = "0.0.0.0"\n')
    (check,) = look("settings")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, "omlx key create first")
    keys.create(paths.keys, "first", "inference", "normal", False)
    assert look("settings")[0].verdict is Verdict.OK
    for host in ("127.0.0.1", "::1", "localhost"):
        paths.config.write_text(f'[server]\nhost = "{host}"\n')
        assert look("settings")[0].verdict is Verdict.OK


def test_keys_that_others_can_read(look: Look, paths: Paths) -> None:
    paths.config.write_text('[server]\napi_key = "k"\n')
    paths.config.chmod(0o644)
    (check,) = look("settings")
    assert (check.verdict, check.fix) == (Verdict.WARNING, f"chmod 600 {paths.config}")
    paths.config.chmod(0o600)
    assert look("settings")[0].verdict is Verdict.OK


def test_keys_that_nobody_can_read(look: Look, paths: Paths) -> None:
    paths.keys.write_text("{")
    paths.keys.chmod(0o600)
    (check,) = look("settings")
    assert (check.verdict, check.fix) == (Verdict.BROKEN, f"mv {paths.keys} {paths.keys}.old")


def _give_away(home: Path) -> None:
    for path in (home, *home.rglob("*")):
        os.chown(path, STRANGER, STRANGER)


class _reachable:
    """While it lasts, anybody may pass through the folders above a home."""

    def __init__(self, home: Path) -> None:
        self._closed = [path for path in home.parents if not path.stat().st_mode & 0o001]

    def __enter__(self) -> None:
        for path in self._closed:
            path.chmod(path.stat().st_mode | 0o011)

    def __exit__(self, *_: object) -> None:
        for path in self._closed:
            path.chmod(path.stat().st_mode & ~0o011)
