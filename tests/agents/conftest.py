"""The coding agents' programs: those on the PATH, else fetched once by npm and kept outside the tree."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import made_once

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
    def fetch(target: Path) -> Path:
        options = ("--no-audit", "--no-fund", "--silent", "--fetch-retries=0", "--prefix", str(target))
        try:
            subprocess.run([npm, "install", *options, PACKAGES[name]], check=True, timeout=240, capture_output=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"npm cannot fetch {name}: {error}")
        return target / "node_modules"

    return made_once(f"agent-{PACKAGES[name].replace('/', '-')}/node_modules", fetch) / ".bin" / name
