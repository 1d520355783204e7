"""What every test may ask for: a home of its own, and the real small model."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import weights

CATALOG_NAME = "smollm2"

# How long an example takes is the machine's affair. Each run tries the same ones, unless new ones are asked for.
settings.register_profile(
    "omlx",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="OMLX_TEST_CHANCE" not in os.environ,
    print_blob=True,
)
settings.load_profile("omlx")

FETCHED = {"smollm2_path", "gemma3_path", "wide_smollm2_path", "wide_gemma3_path"}
"""Fixtures that take as long as the network does, once; each job in them has a limit of its own."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin a test's time when what it needs is fetched."""
    for item in items:
        if FETCHED & set(getattr(item, "fixturenames", ())):
            marker = item.get_closest_marker("timeout")
            limit_s = float(marker.args[0] if marker else config.getini("timeout"))
            item.add_marker(pytest.mark.timeout(limit_s, func_only=True), append=False)


@pytest.fixture(scope="session", autouse=True)
def _environment() -> Iterator[None]:
    """Keep the user's settings out, and one BLAS thread a worker: two collapse when cores are shared."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("OMLX_", "OPENAI_", "HF_"))]:
            if not name.startswith("OMLX_TEST_"):
                patch.delenv(name)
        patch.setenv("OPENBLAS_NUM_THREADS", "1")
        patch.setenv("COLUMNS", "80")
        patch.setenv("NO_COLOR", "1")
        yield


@pytest.fixture
def omlx_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty omlx home; nothing of the user's own is seen."""
    home = tmp_path / "home"
    monkeypatch.setenv("OMLX_HOME", str(home))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return home


@pytest.fixture(scope="session")
def smollm2_path(_environment: None) -> Path:
    """Return SmolLM2-135M-Instruct in MLX layout, pulled once by omlx itself and kept outside the tree."""
    cache = cache_folder()
    with exclusive(cache / "smollm2.lock"):
        models = cache / "home" / "models"
        found = sorted(models.glob("*/config.json"))
        if not found:
            _pull(cache / "home")
            found = sorted(models.glob("*/config.json"))
    return found[0].parent


@pytest.fixture(scope="session")
def gemma3_path(_environment: None) -> Path:
    """Return Gemma 3 270M as omlx imports it."""
    return made_once("gemma3", weights.make_gemma3)


@pytest.fixture(scope="session")
def wide_smollm2_path(smollm2_path: Path) -> Path:
    """Return SmolLM2 without quantisation, in a folder called `smollm2`."""
    return made_once("wide/smollm2", lambda folder: weights.widen(smollm2_path, folder))


@pytest.fixture(scope="session")
def wide_gemma3_path(gemma3_path: Path) -> Path:
    """Return Gemma 3 270M without quantisation, in a folder called `gemma3`."""
    return made_once("wide/gemma3", lambda folder: weights.widen(gemma3_path, folder))


def made_once(name: str, make: Callable[[Path], Path]) -> Path:
    """Return the folder `name` outside the tree, moved there from where `make` leaves it."""
    target = cache_folder() / name
    target.parent.mkdir(exist_ok=True)
    with exclusive(target.with_suffix(".lock")):
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=cache_folder()) as folder:
                make(Path(folder)).rename(target)
    return target


def cache_folder() -> Path:
    """Return the folder for what is fetched once: `$OMLX_TEST_CACHE`, else the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get("OMLX_TEST_CACHE") or Path(base) / "omlx-tests")
    cache.mkdir(parents=True, exist_ok=True)
    return cache


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a file lock, so that parallel test processes fetch once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _pull(home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    (home / "config.toml").write_text("[server]\nport = 0\n")
    job = [sys.executable, "-I", "-m", "omlx_cli", "pull", CATALOG_NAME]
    environment = {**os.environ, "OMLX_HOME": str(home), "HF_HOME": str(home / "hf")}
    try:
        subprocess.run(job, env=environment, check=True, timeout=600)
    finally:
        subprocess.run([*job[:4], "stop"], env=environment, check=False, timeout=60)
