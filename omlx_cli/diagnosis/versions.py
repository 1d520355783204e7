"""The versions of what runs together: Python, the libraries, the CLI, the daemon."""

from __future__ import annotations

import platform
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from omlx_cli import __version__
from omlx_cli.contract.api import Health
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject

MIN_PYTHON = (3, 11)
_SHOWN = ("mlx", "mlx-lm", "litestar")
_PIP_TIMEOUT_S = 30.0
PIP = ("-I", "-m", "pip", "--disable-pip-version-check", "check")


def checks(subject: Subject) -> Iterator[Check]:
    """Yield the interpreter's, the libraries' and the daemon's versions."""
    yield python(sys.version_info[:2])
    yield libraries()
    yield daemon(subject.health)


def python(found: tuple[int, ...]) -> Check:
    """Return what to say of the interpreter that runs both the CLI and the daemon."""
    text = f"Python {platform.python_version()}, {sys.executable}"
    if found < MIN_PYTHON:
        wanted = ".".join(map(str, MIN_PYTHON))
        return broken("python", f"{text}: omlx needs {wanted} or newer", f"python{wanted} -m pip install omlx")
    return ok("python", text)


def libraries() -> Check:
    """Check that every library that omlx needs is there, in a version that it was made for."""
    text = ", ".join([f"omlx {__version__}", *(f"{name} {_version(name) or 'missing'}" for name in _SHOWN)])
    wrong = _unmet()
    if wrong or "missing" in text:
        found = f"{text}; {'; '.join(wrong)}" if wrong else text
        return broken("libraries", found, f"{shlex.quote(sys.executable)} -m pip install --force-reinstall omlx")
    return ok("libraries", text)


def daemon(health: Health | None) -> Check:
    """Return what to say of the daemon that answers, beside this command."""
    name = "daemon"
    if health is None:
        return ok(name, "no daemon runs; one that is started is of this version")
    if health.version != __version__:
        return warn(name, f"the daemon is omlx {health.version}, this command {__version__}", "omlx restart")
    if health.prefix != sys.prefix:
        text = f"the daemon runs from {health.prefix}, this command from {sys.prefix}; both are omlx {__version__}"
        return warn(name, text, "omlx restart")
    return ok(name, f"the daemon is omlx {health.version}, as this command is")


def _unmet() -> list[str]:
    """Return what pip says of omlx's own requirements; nothing where it cannot tell."""
    try:
        done = subprocess.run(
            [sys.executable, *PIP], capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    own = f"omlx {__version__} "
    return [line.removeprefix(own).rstrip(".") for line in done.stdout.splitlines() if line.startswith(own)]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
