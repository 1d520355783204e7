"""Fixtures of the models tests: a home, a hub cache, and pulls in child processes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from omlx_cli.contract.api import PullDone, PullEvent, PullFailed
from omlx_cli.contract.paths import Paths
from omlx_daemon.models import lmstudio
from omlx_daemon.models.job import Job
from tests.models.hub_standin import Hub

Fetch = Callable[..., list[PullEvent]]


@pytest.fixture
def paths(omlx_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """Return the paths of an empty home, with LM Studio's and the hub's folders empty as well."""
    monkeypatch.setenv(lmstudio.FOLDERS_VARIABLE, str(tmp_path / "lmstudio"))
    paths = Paths(omlx_home)
    paths.create()
    return paths


@pytest.fixture
def hub_cache(paths: Paths, tmp_path: Path) -> Path:
    """Return the hub cache that the environment names."""
    return tmp_path / "hf" / "hub"


@pytest.fixture
def hub(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Return a hub that serves; the real client in a child process asks it and nobody else."""
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    # A hub that waits for a test is not a lost connection.
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "100")
    with Hub().serving() as serving:
        monkeypatch.setenv("HF_ENDPOINT", serving.url)
        yield serving


@pytest.fixture
def fetch(paths: Paths) -> Fetch:
    """Return a function that pulls in a child process and returns its events."""

    def run(model: str, name: str = "") -> list[PullEvent]:
        with child(paths, model, name) as process:
            return events(read(process))

    return run


def child(paths: Paths, model: str, name: str = "") -> subprocess.Popen[bytes]:
    """Start a pull as the daemon does."""
    job = msgspec.json.encode(Job(model=model, home=str(paths.home), name=name)).decode()
    command = [sys.executable, "-I", "-m", "omlx_daemon.models.fetch", job]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)


def read(process: subprocess.Popen[bytes]) -> bytes:
    """Return what a pull prints until it ends; a traceback among its notes fails the test."""
    assert process.stdout is not None
    assert process.stderr is not None
    output, notes = process.stdout.read(), process.stderr.read()
    assert b"Traceback" not in notes, notes.decode()
    return output


def events(output: bytes) -> list[PullEvent]:
    """Return the events of a pull's output."""
    return [msgspec.json.decode(line, type=PullEvent) for line in output.splitlines()]


def done(found: list[PullEvent]) -> PullDone:
    """Return the last event, which must be a success."""
    last = found[-1]
    assert isinstance(last, PullDone), last
    return last


def failed(found: list[PullEvent]) -> PullFailed:
    """Return the last event, which must be a failure."""
    last = found[-1]
    assert isinstance(last, PullFailed), last
    return last
