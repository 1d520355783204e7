"""Homes with a model and a daemon that something happens to; nothing of them is left."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cachewire.conftest import ROOMY
from tests.cachewire.driving import MODEL, Client
from tests.e2e.conftest import make_home
from tests.faults.place import Place
from tests.worker.models import TEMPLATE, write_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a random model that computes at once and whose blocks are large."""
    folder = write_model(tmp_path_factory.mktemp("models") / MODEL, sizes=ROOMY)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture
def place(tmp_path: Path, model: Path) -> Iterator[Place]:
    """Return a home with the model, and no daemon yet."""
    made = Place(make_home(tmp_path, model).path)
    yield made
    end(made)
    made.check_logs()


@pytest.fixture
def client(place: Place) -> Client:
    """Return a client of that home."""
    return Client(place)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the mount point of a file system of 32 MiB."""
    path = tmp_path / "disk"
    path.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m,mode=0700", "tmpfs", str(path)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this system lets no test mount a file system")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def small_place(small_disk: Path, model: Path) -> Iterator[Place]:
    """Return a home of its own on the small disk, with the model and no daemon yet."""
    made = Place(make_home(small_disk, model).path)
    with made.paths.config.open("a") as config:
        config.write('[cache]\ncold_max_size = "100%"\nmin_free = "0"\n')
    yield made
    end(made)
    made.check_logs()


def end(place: Place) -> None:
    """Stop the daemon, however broken its home is."""
    place.run("stop")
    for process in place.daemons():
        with contextlib.suppress(psutil.Error):
            process.kill()
            process.wait(30)
