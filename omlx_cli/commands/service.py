"""`omlx service`: the daemon as the system's service manager knows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from omlx_cli.env import Env
from omlx_cli.options import common

if TYPE_CHECKING:
    from omlx_cli.service import Managed
    from omlx_cli.service.report import ServiceReport


class _Line(msgspec.Struct, frozen=True):
    line: str


@click.group("service")
def command() -> None:
    """Start the daemon at login, or on demand alone, through launchd or systemd.

    On demand is the default: a command or the first connection to the port starts the daemon, and until
    then nothing runs.

    \b
    Examples:
      omlx service status
      omlx service enable
      omlx service logs
    """


@command.command("enable")
@common
def enable(env: Env) -> None:
    """Start the daemon at login from now on, and again after a crash."""
    _set_login(env, True)
    _tell(env, "the daemon starts at login from now on")


@command.command("disable")
@common
def disable(env: Env) -> None:
    """Start the daemon on demand alone; one that runs now goes on."""
    _set_login(env, False)
    _tell(env, "the daemon starts on demand alone from now on")


@command.command("status")
@common
def status(env: Env) -> None:
    """Show what the service manager knows of the daemon; nothing is started."""
    from omlx_cli.service.access import report
    from omlx_cli.table import pairs

    found = report(env.services)
    if env.output.as_json:
        env.output.document(found)
        return
    env.output.line(pairs(_rows(found)))
    if found.disabled:
        env.output.warn(f"{found.manager} was told never to start {found.name}; {found.disabled}  lifts that")
    if found.problem:
        env.output.warn(f"{found.problem}; {found.fix}")


@command.command("logs")
@click.option("-n", "--lines", "count", type=click.IntRange(0), default=50, show_default=True, help="How many lines.")
@common
def logs(env: Env, count: int) -> None:
    """Print what the daemon said outside its own log: why it did not start, or how it crashed.

    The daemon's log itself is printed by omlx logs.
    """
    from omlx_cli.logfile import last_lines

    for line in last_lines(env.paths.boot_log, count):
        if env.output.as_json:
            env.output.record(_Line(line))
        else:
            env.output.text(f"{line}\n")


def _set_login(env: Env, enabled: bool) -> None:
    from omlx_cli.service import Unavailable
    from omlx_cli.service.access import managed

    env.check_settings()
    env.paths.create()
    service = managed(env.services)
    try:
        service.set_login(enabled)
        _hand_back(env, service, enabled)
    except Unavailable as error:
        from omlx_cli.contract.errors import Code, OmlxError

        raise OmlxError(
            Code.INTERNAL, f"{service.describe()} refuses: {error}", "omlx service status  tells more"
        ) from error
    problem = service.report()
    if enabled and problem.problem:
        env.output.warn(f"{problem.problem}; {problem.fix}")


def _hand_back(env: Env, service: Managed, enabled: bool) -> None:
    """Leave the service to the usual home where another one no longer wants it."""
    if not enabled and not env.services.is_usual:
        service.remove()


def _tell(env: Env, message: str) -> None:
    from omlx_cli.contract.api import Done

    if env.output.as_json:
        env.output.document(Done(message=message))
    else:
        env.output.line(message)


def _rows(found: ServiceReport) -> list[tuple[str, str]]:
    return [
        ("manager", found.manager),
        ("name", found.name),
        ("state", found.state),
        ("pid", str(found.pid or "")),
        ("at login", "yes" if found.login else "no"),
        ("on demand", f"a connection to {found.listens} starts it" if found.listens else "a command starts it"),
        ("last exit", found.last_exit),
        ("definition", found.definition),
        ("written by", found.owner if found.definition else ""),
    ]
