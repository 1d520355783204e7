"""A real daemon with the real small model, in a home of its own, on a free port."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

CLI = [sys.executable, "-I", "-m", "omlx_cli"]


@dataclass(frozen=True)
class Home:
    """One omlx home and the commands that run in it."""

    path: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment in which every command of this home runs."""
        return {**os.environ, "OMLX_HOME": str(self.path), "HF_HOME": str(self.path.parent / "hf")}

    def run(self, *words: str, stdin: str | None = None, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
        """Run one `omlx` command to its end."""
        return subprocess.run(
            [*CLI, *words],
            env=self.environment,
            capture_output=True,
            text=True,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            timeout=timeout_s,
            check=False,
        )

    def popen(self, *words: str) -> subprocess.Popen[str]:
        """Start one `omlx` command."""
        return subprocess.Popen(
            [*CLI, *words],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def info(self) -> dict[str, object]:
        """Return the running daemon's description."""
        found: dict[str, object] = json.loads((self.path / "run" / "daemon.json").read_text())
        return found

    @property
    def base_url(self) -> str:
        """Return the daemon's address for an API client."""
        return f"http://{self.info()['address']}"

    def kill(self) -> None:
        """Kill the daemon as a crash would."""
        os.kill(int(str(self.info()["pid"])), signal.SIGKILL)

    def stop(self) -> None:
        """Stop the daemon, if there is one."""
        self.run("stop")


def make_home(parent: Path, model: Path | None) -> Home:
    """Return a home with a free port, and the model in it if one is given."""
    home = Home(parent / "home")
    models = home.path / "models"
    models.mkdir(parents=True, mode=0o700)
    home.path.chmod(0o700)
    (home.path / "config.toml").write_text("[server]\nport = 0\n")
    if model is not None:
        shutil.copytree(model, models / model.name, copy_function=link_or_copy)
    return home


def link_or_copy(source: str, target: str) -> None:
    """Hard-link a file where the file systems allow it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture
def empty_home(tmp_path: Path) -> Iterator[Home]:
    """Return a home without models; its daemon is stopped afterwards."""
    home = make_home(tmp_path, None)
    yield home
    home.stop()


@pytest.fixture
def fresh_home(tmp_path: Path, smollm2_path: Path) -> Iterator[Home]:
    """Return a home with SmolLM2 and no daemon yet."""
    home = make_home(tmp_path, smollm2_path)
    yield home
    home.stop()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[Home]:
    """Return a home whose daemon has SmolLM2 loaded; shared by tests that leave it as it is."""
    home = make_home(tmp_path_factory.mktemp("served"), smollm2_path)
    loaded = home.run("load", "smollm2", "--ttl", "never")
    assert loaded.returncode == 0, loaded.stderr
    yield home
    home.stop()
