"""The coding agents' programs: those on the PATH, else fetched once by npm and kept outside the tree."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import cache_folder, exclusive

PACKAGES = {
    "codex": "@openai/codex@0.169.0",
    "opencode": "opencode-ai@1.18.33",
    "qwen": "@qwen-code/qwen-code@0.15.10",
}


@pytest.fixture(scope="session")
def program_of(_environment: None) -> Callable[[str], Path]:
    """Return what finds an agent's program by its name; where npm has it neither, its test is skipped."""

    def find(name: str) -> Path:
        found, npm = shutil.which(name), shutil.which("npm")
        if found is not None:
            return Path(found)
        if npm is None:
            pytest.skip(f"there is neither {name} nor npm on this machine")
        return _fetched(npm, name)

    return find


def _fetched(npm: str, name: str) -> Path:
    target = cache_folder() / f"agent-{PACKAGES[name].replace('/', '-')}"
    with exclusive(target.with_name(f"{target.name}.lock")):
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            options = ("--no-audit", "--no-fund", "--silent", "--fetch-retries=0", "--prefix", str(target))
            try:
                subprocess.run([npm, "install", *options, PACKAGES[name]], check=True, timeout=240, capture_output=True)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                pytest.skip(f"npm cannot fetch {name}: {error}")
            (target / "complete").touch()
    return target / "node_modules" / ".bin" / name
