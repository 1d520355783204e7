"""What starts the daemon."""

from __future__ import annotations

from omlx_cli.diagnosis.check import Check, ok, warn
from omlx_cli.service import access
from omlx_cli.service.choice import Choice


def check_service(choice: Choice) -> Check:
    """Check that the service manager, where there is one, can start the daemon and keep it."""
    found = access.report(choice)
    if found.manager == "process":
        return ok("service", found.state)
    text = f"{found.manager}: {found.name} {found.state}".rstrip()
    text += ", starts at login" if found.login else ""
    text += f", starts on a connection to {found.listens}" if found.listens else ""
    if found.problem:
        return warn("service", f"{text}; {found.problem}", found.fix)
    return ok("service", text)
