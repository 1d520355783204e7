"""The cache's options of `omlx serve`, as the daemon's command line has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from omlx_cli.contract.paths import Paths
from omlx_cli.service.process import daemon_command
from tests.cli.conftest import Omlx


@pytest.fixture
def replaced_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the command line that this process was replaced by."""
    words: list[str] = []

    def execv(_path: str, given: list[str]) -> None:
        words[:] = given
        raise SystemExit(0)

    monkeypatch.setattr("os.execv", execv)
    return words


@pytest.mark.parametrize(
    ("words", "passed"),
    [
        ((), []),
        (("--no-cache",), ["--no-cache"]),
        (("--paged-ssd-cache-max-size", "100GB"), ["--cache-cold-max=100GB"]),
        (("--paged-ssd-cache-max-size", "20%"), ["--cache-cold-max=20%"]),
        (("--hot-cache-max-size", "8GiB"), ["--cache-hot-max=8GiB"]),
        (("--hot-cache-max-size=auto", "--paged-ssd-cache-max-size=0"), ["--cache-cold-max=0", "--cache-hot-max=auto"]),
        (("--paged-ssd-cache-dir", "/fast/k v"), ["--cache-dir=/fast/k v"]),
    ],
)
def test_options_reach_the_daemon(
    paths: Paths, omlx: Omlx, replaced_by: list[str], words: tuple[str, ...], passed: list[str]
) -> None:
    assert omlx("serve", *words).code == 0
    assert replaced_by == [*daemon_command(paths), "--foreground", *passed]


def test_a_directory_is_made_absolute(
    paths: Paths, omlx: Omlx, replaced_by: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    omlx("serve", "--paged-ssd-cache-dir", "kv")
    assert replaced_by[-1] == f"--cache-dir={tmp_path}/kv"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hot-cache-max-size", "120%"), "'120%' is over 100 %"),
        (("--paged-ssd-cache-max-size", "-1GB"), "'-1GB' is not a size; write for example 100GB"),
        (("--hot-cache-max-size", "lots"), "'lots' is not a size"),
        (("--hot-cache-max-size", ""), "an option of the cache is empty"),
        (("--paged-ssd-cache-dir", ""), "an option of the cache is empty"),
        (("--no-cache", "--hot-cache-max-size", "8GiB"), "--no-cache takes no other option of the cache"),
    ],
)
def test_odd_sizes_are_refused(
    paths: Paths, omlx: Omlx, replaced_by: list[str], words: tuple[str, ...], message: str
) -> None:
    ran = omlx("serve", *words)
    assert ran.code == 2
    assert message in ran.err
    assert replaced_by == []
