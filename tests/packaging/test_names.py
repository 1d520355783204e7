"""The files of names that completion reads: whole, current, and no trouble to anybody."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from omlx_cli.contract.paths import Paths
from omlx_daemon.core.namesfile import NamesFile
from tests.e2e.conftest import Home, make_home
from tests.waiting import wait_until
from tests.worker.models import write_model


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """Return a home with a random model."""
    home = make_home(tmp_path, write_model(tmp_path / "tiny"))
    yield home
    home.stop()


def test_the_daemon_keeps_them_current(home: Home) -> None:
    paths = Paths(home.path)
    assert home.run("load", "tiny").returncode == 0
    assert paths.model_names.read_text() == "tiny\n"
    wait_until(lambda: paths.loaded_names.exists() and paths.loaded_names.read_text() == "tiny\n")
    assert home.run("unload", "tiny").returncode == 0
    wait_until(lambda: paths.loaded_names.read_text() == "")
    assert home.run("rm", "--yes", "tiny").returncode == 0
    assert paths.model_names.read_text() == ""
    assert home.run("stop").returncode == 0
    assert not paths.loaded_names.exists()
    assert not [path for path in paths.run.iterdir() if path.name.startswith(".")]


def test_a_reader_sees_one_list_or_the_other(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    lists = [[f"{letter}{number}" for number in range(2000)] for letter in "ab"]
    whole = {"".join(f"{name}\n" for name in names) for names in lists}
    file, seen, done = NamesFile(path), set[str](), threading.Event()
    file.publish(lists[0])

    def read() -> None:
        while not done.is_set():
            seen.add(path.read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(200):
        file.publish(lists[number % 2])
    done.set()
    reader.join()
    assert seen <= whole


def test_what_has_not_changed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    file = NamesFile(path)
    file.publish(["one"])
    before = path.stat().st_ino
    file.publish(["one"])
    assert path.stat().st_ino == before
    path.unlink()
    file.publish(["one"])
    assert path.read_text() == "one\n"


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    file = NamesFile(tmp_path / "gone" / "names.txt")
    file.publish(["one"])
    (tmp_path / "gone").mkdir()
    file.publish(["one"])
    assert (tmp_path / "gone" / "names.txt").read_text() == "one\n"


def test_a_folder_that_cannot_be_looked_into_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = NamesFile(tmp_path / "names.txt")
    file.publish(["one"])
    refusal = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(Path, "exists", Mock(side_effect=refusal))
    file.publish(["one"])
    file.publish(["two"])
    assert (tmp_path / "names.txt").read_text() == "two\n"
