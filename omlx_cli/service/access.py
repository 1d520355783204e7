"""What the commands do with a service manager, or say where there is none."""

from __future__ import annotations

from omlx_cli.contract.errors import Code, OmlxError
from omlx_cli.service import Managed, Unavailable
from omlx_cli.service.choice import Choice
from omlx_cli.service.report import ServiceReport


def managed(choice: Choice) -> Managed:
    """Return the service manager, for this home. Raises OmlxError where there is none, or it serves another home."""
    if not choice.wants_manager():
        raise OmlxError(
            Code.UNSUPPORTED,
            "daemon.service says that no service manager starts the daemon",
            "omlx config set daemon.service auto",
        )
    found = choice.manager()
    if found is None:
        raise OmlxError(
            Code.UNSUPPORTED,
            "no service manager answers here: neither launchd nor the user's systemd",
            "omlx start  starts the daemon as a plain process",
        )
    other = found.home()
    if other is not None and not choice.is_served_by(found):
        raise OmlxError(
            Code.IN_USE,
            f"the service belongs to the home {other}",
            f"OMLX_HOME={other} omlx service disable  frees it",
        )
    return found


def report(choice: Choice) -> ServiceReport:
    """Return how this home's daemon is started; nothing is changed."""
    found = choice.manager() if choice.wants_manager() else None
    if found is None or not choice.is_served_by(found):
        return ServiceReport(manager="process", state=_why(choice))
    try:
        return found.report()
    except (Unavailable, TimeoutError) as error:
        return ServiceReport(
            manager=found.describe(),
            state="unknown",
            problem=f"{found.describe()} does not answer: {error}",
            fix="omlx config set daemon.service process",
        )


def _why(choice: Choice) -> str:
    if not choice.wants_manager():
        return "started as a plain process, as daemon.service wants it"
    if choice.manager() is None:
        return "started as a plain process: no service manager answers here"
    return "started as a plain process: the service belongs to another home"
