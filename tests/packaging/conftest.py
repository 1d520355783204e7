"""Tools that packaging is checked with; what a machine lacks is named where a test is left out."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.packaging.shells import Shell
from tests.standin.mac import compile_library

NAMES = ("gemma3:1b", "gemma3:270m", "mlx-community/Qwen3-0.6B-4bit", "odd name", "smollm2", "smollm2:135m")


def needs(*tools: str) -> pytest.MarkDecorator:
    """Return a mark that leaves a test out where a program is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed here: {', '.join(missing)}")


@pytest.fixture
def names_home(tmp_path: Path) -> Path:
    """Return a home in which a daemon left the names of its models."""
    run = tmp_path / "home of omlx" / "run"
    run.mkdir(parents=True)
    (run / "models.txt").write_text("".join(f"{name}\n" for name in NAMES))
    (run / "loaded.txt").write_text("smollm2\n")
    return run.parent


@pytest.fixture(params=["bash", "zsh", "fish"])
def shell(request: pytest.FixtureRequest, tmp_path: Path, names_home: Path) -> Iterator[Shell]:
    """Return each of the three shells in turn."""
    if shutil.which(request.param) is None:
        pytest.skip(f"not installed here: {request.param}")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "archive.tar").touch()
    (folder / "sub").mkdir()
    shell = Shell(request.param, folder, names_home)
    yield shell
    shell.close()


@pytest.fixture(scope="session")
def launchd_library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a library that stands in for launchd's; empty where there is no compiler."""
    return compile_library(tmp_path_factory.mktemp("library"))
