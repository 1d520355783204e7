"""A home to look at, a stand-in for its daemon, and checks by area."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from omlx_cli.diagnosis.areas import run
from omlx_cli.diagnosis.check import Check, Verdict
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.env import Env
from tests.cli.conftest import daemon, omlx, paths

__all__ = ["daemon", "omlx", "paths"]

Look = Callable[..., list[Check]]
STRANGER = 65534
"""The user `nobody`."""


@pytest.fixture
def look(omlx_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Return what looks at areas of the home; the user's own files and programs are out of sight."""
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    monkeypatch.chdir(tmp_path)

    def look_at(*areas: str, **environ: str) -> list[Check]:
        seen = {"HOME": str(tmp_path / "user"), "PATH": str(tmp_path / "bin"), **environ}
        return list(run(areas, Subject(Env(), seen)))

    return look_at


@contextmanager
def as_stranger() -> Iterator[None]:
    """Be nobody for a moment, whom permissions hold back; where the suite does not run as root, stay oneself."""
    if os.getuid():
        yield
        return
    os.setresuid(STRANGER, STRANGER, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def verdicts(checks: list[Check]) -> dict[str, Verdict]:
    """Return the verdict of each check by its name."""
    return {check.name: check.verdict for check in checks}


def only(checks: list[Check], name: str) -> Check:
    """Return the one check of a name."""
    (found,) = [check for check in checks if check.name == name]
    return found
