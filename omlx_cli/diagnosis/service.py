"""What starts the daemon: launchd, systemd, or nobody but the commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from omlx_cli.diagnosis.check import Check, ok, warn
from omlx_cli.diagnosis.subject import SERVICE_S, Subject
from omlx_cli.service.report import ServiceReport

WAITS_S = SERVICE_S
_NAME = "service"


def checks(subject: Subject) -> Iterator[Check]:
    """Yield what keeps the service manager from starting the daemon as it should, or that all is well."""
    found = subject.service
    yield from [*problems(found)] or [ok(_NAME, _state(found))]


def problems(found: ServiceReport) -> Iterator[Check]:
    """Yield what keeps a service manager from doing its work."""
    if found.manager == "process":
        return
    text = _state(found)
    if found.problem:
        # A hint is a command, and behind two spaces what it is good for.
        yield warn(_NAME, f"{text}; {found.problem}", found.fix.partition("  ")[0])
    if found.disabled:
        yield warn("disabled", f"{found.manager} was told never to start {found.name}", found.disabled)
    if found.stale and found.owner == "omlx":
        yield warn("definition", f"{found.definition} {found.stale}; a start renews it", "omlx restart")
    if found.owner != "omlx" and found.program and not _is_ours(found.program):
        text = f"the service starts {found.program}, which is another omlx than this one; {found.definition} says so"
        yield warn("conflict", text, _give_back(found))
    if found.last_exit not in ("", "0", "exit code 0") and not found.pid:
        yield warn("exit", f"the daemon ended by itself ({found.last_exit})", "omlx service logs")


def _state(found: ServiceReport) -> str:
    if found.manager == "process":
        return found.state
    text = f"{found.manager}: {found.name} {found.state}".rstrip()
    text += ", starts at login" if found.login else ""
    return text + (f", starts on a connection to {found.listens}" if found.listens else "")


def _is_ours(program: str) -> bool:
    """Tell whether a program belongs to the installation that runs this check, directly or through a link."""
    places = (Path(sys.prefix), Path(sys.prefix).resolve())
    return any(part in places for path in (Path(program), Path(program).resolve()) for part in path.parents)


def _give_back(found: ServiceReport) -> str:
    """Return what ends the other program's hold on the label."""
    if found.manager == "systemd":
        return f"systemctl --user disable --now {found.name}"
    brew = "Cellar" in found.program or "/opt/omlx/" in found.program
    return "brew services stop omlx" if brew else f"launchctl bootout {found.name}"
