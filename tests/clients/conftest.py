"""Their environment, made once and kept outside the tree; and the app that they speak with."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.serving import Served, serving
from tests.conftest import cache_folder, exclusive

PACKAGES = ("litellm==1.106.2", "mcp==2.3.0", "langchain-openai==1.7.3", "llm==0.32.1")
SCRIPTS = Path(__file__).parent / "scripts"

Run = Callable[..., str]


@pytest.fixture(scope="session")
def foreign(_environment: None) -> Path:
    """Return the folder of the programs of an environment with those clients."""
    name = hashlib.sha256(" ".join((*PACKAGES, sys.version)).encode()).hexdigest()[:16]
    target = cache_folder() / f"clients-{name}"
    with exclusive(target.with_suffix(".lock")):
        if not (target / "complete").exists():
            shutil.rmtree(target, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(target)], check=True, timeout=300)
            install = (target / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
            subprocess.run(install, check=True, timeout=600, stderr=subprocess.DEVNULL)
            (target / "complete").touch()
    return target / "bin"


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """Return an app whose model is played."""
    with tempfile.TemporaryDirectory(prefix="omlx-clients-") as folder, serving(Path(folder) / "s") as app:
        yield app


@pytest.fixture
def run(foreign: Path, tmp_path: Path) -> Run:
    """Return what runs one of those programs, or a script with their Python, in an empty home; it must succeed."""

    def run(program: str, *words: str, **environment: str) -> str:
        script = SCRIPTS / program
        command = [foreign / "python", script] if script.exists() else [foreign / program]
        environ = {"PATH": f"{foreign}:/usr/bin:/bin", "HOME": str(tmp_path), "NO_COLOR": "1", **environment}
        done = subprocess.run(
            [*command, *words], env=environ, capture_output=True, text=True, timeout=110, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run
