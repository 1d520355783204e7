"""The Python, the libraries, and what MLX computes with."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import msgspec

from omlx_cli import __version__
from omlx_cli.diagnosis.check import Check, broken, ok, warn

_MIN_PYTHON = (3, 11)
_PROBE_TIMEOUT_S = 120.0
PROBE = ["-I", "-m", "omlx_daemon.worker", "--probe"]
_REINSTALL = "reinstall omlx"
_FAST_BLAS = "apt-get install libopenblas0-pthread"


class Probe(msgspec.Struct, frozen=True):
    """What a worker says that it computes with."""

    backend: str = ""
    blas: str = ""
    blas_path: str = ""


def check_python() -> Check:
    """Check the interpreter that runs both the CLI and the daemon."""
    found = f"{platform.python_version()} at {sys.executable}"
    if sys.version_info < _MIN_PYTHON:
        return broken("python", found, "reinstall omlx with Python 3.11 or newer")
    return ok("python", found)


def check_versions() -> Check:
    """Check that the libraries that matter are there."""
    versions = {name: _version(name) for name in ("mlx", "mlx-lm", "litestar")}
    found = ", ".join([f"omlx {__version__}", *(f"{name} {text or 'missing'}" for name, text in versions.items())])
    if not all(versions.values()):
        return broken("versions", found, _REINSTALL)
    return ok("versions", found)


def check_backend() -> Check:
    """Check that a worker can compute, and with what; runs MLX in a process of its own."""
    name = "backend"
    try:
        done = subprocess.run(
            [sys.executable, *PROBE], capture_output=True, timeout=_PROBE_TIMEOUT_S, check=False, cwd="/"
        )
    except subprocess.TimeoutExpired:
        return broken(name, f"mlx did not come up within {_PROBE_TIMEOUT_S:.0f} s", _REINSTALL)
    if done.returncode != 0:
        return broken(name, f"a worker cannot start: {_last_line(done.stderr)}", _REINSTALL)
    try:
        return judge(msgspec.json.decode(done.stdout, type=Probe))
    except msgspec.DecodeError:
        return broken(name, "a worker says nothing that can be read", _REINSTALL)


def judge(probe: Probe) -> Check:
    """Return what to say of a probe: on a CPU the BLAS decides how long a prompt takes."""
    found = ", ".join(part for part in (probe.backend, probe.blas, probe.blas_path) if part)
    if probe.backend == "cpu" and "openblas" not in f"{probe.blas} {probe.blas_path}".lower():
        return warn("backend", f"{found}: the slow reference BLAS, prompts take about 20 times longer", _FAST_BLAS)
    return ok("backend", found)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _last_line(text: bytes) -> str:
    lines = text.decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "it ended without a word"
