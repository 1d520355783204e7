"""How a service fares, as `omlx service status` and `omlx doctor` tell it."""

from __future__ import annotations

from omlx_cli.contract.api import Reply


class ServiceReport(Reply, frozen=True, kw_only=True):
    """What the system's service manager knows of the daemon."""

    manager: str
    """`launchd`, `systemd`, or `process` where no service manager serves this home."""
    name: str = ""
    state: str = ""
    """`running`, `stopped`, `not loaded`, or the manager's own word."""
    pid: int = 0
    login: bool = False
    """Whether the daemon starts at login."""
    listens: str = ""
    """The address on which a connection starts the daemon, or empty."""
    last_exit: str = ""
    definition: str = ""
    owner: str = "omlx"
    """Who wrote the definition: `omlx`, or `another program`, such as Homebrew."""
    program: str = ""
    """What the definition starts."""
    stale: str = ""
    """How the definition differs from the one that omlx would write now, or empty."""
    disabled: str = ""
    """The command that lifts a lasting order never to start the daemon; empty where there is none."""
    problem: str = ""
    fix: str = ""
