"""The versions of what runs together: Python, the libraries, the CLI, the daemon."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from omlx_cli import __version__
from omlx_cli.contract.api import Health
from omlx_cli.diagnosis.check import Check, broken, ok, warn
from omlx_cli.diagnosis.subject import Subject
from omlx_cli.installation.places import reinstaller

_SHOWN = ("mlx", "mlx-lm", "litestar")
WAITS_S = 30.0
"""For pip, which looks at every package."""
_COMPLAINT = re.compile(
    rf"omlx {re.escape(__version__)} (?:requires|has requirement) (?P<wanted>.+?), "
    r"(?:which is not installed|but you have (?P<there>.+))\.$"
)
PIP = ("-I", "-m", "pip", "--disable-pip-version-check", "check")


def checks(subject: Subject) -> Iterator[Check]:
    """Yield the versions of the interpreter, which runs the CLI and the daemon, of the libraries, and of the daemon."""
    yield ok("python", f"Python {platform.python_version()}, {sys.executable}")
    yield libraries()
    yield daemon(subject.health)


def libraries() -> Check:
    """Check that every library that omlx needs is there, in a version that it was made for."""
    text = ", ".join([f"omlx {__version__}", *(f"{name} {_version(name) or 'missing'}" for name in _SHOWN)])
    wrong = _unmet()
    if not wrong:
        return ok("libraries", text)
    return broken("libraries", f"{text}; {'; '.join(wrong.values())}", reinstaller(wrong))


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


def _unmet() -> dict[str, str]:
    """Return what pip says of omlx's own requirements, by requirement; nothing where it cannot tell."""
    try:
        done = subprocess.run(
            [sys.executable, *PIP], capture_output=True, text=True, timeout=WAITS_S, check=False, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = (_COMPLAINT.match(line) for line in done.stdout.splitlines())
    return {line["wanted"]: _told(line["wanted"], line["there"] or "") for line in found if line}


def _told(wanted: str, there: str) -> str:
    return f"it needs {wanted}, and {there} is here" if there else f"{wanted} is not installed"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
