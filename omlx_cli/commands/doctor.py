"""`omlx doctor`: what is wrong, and what mends it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import click

from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Exit, OmlxError
from omlx_cli.diagnosis import backend, daemon, home, memory, service
from omlx_cli.diagnosis.check import Check, Verdict
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.output import styled
from omlx_cli.service import access


class DoctorReply(Reply, frozen=True, kw_only=True):
    """What `omlx doctor --json` prints."""

    checks: tuple[Check, ...]


@click.command("doctor")
@common
def command(env: Env) -> int:
    """Check this installation: versions, home, disk, daemon, port, and what MLX computes with.

    Every line ends in ok, warn or broken, with the command that mends it. Exit code 1 where something is
    broken. Nothing is changed, and the daemon is not started.

    \b
    Examples:
      omlx doctor
      omlx doctor --json
    """
    checks = []
    for check in _checks(env):
        checks.append(check)
        if not env.output.as_json:
            _print(env, check)
    if env.output.as_json:
        env.output.document(DoctorReply(checks=tuple(checks)))
    broken = any(check.verdict is Verdict.BROKEN for check in checks)
    return int(Exit.FAILURE if broken else Exit.OK)


def _checks(env: Env) -> Iterator[Check]:
    yield backend.check_python()
    yield backend.check_versions()
    yield home.check_home(env.paths)
    yield home.check_settings(env.paths)
    yield home.check_room(env.paths)
    yield memory.check_memory(env.client)
    yield daemon.check_daemon(env.paths, env.client)
    try:
        server = env.settings.server
    except OmlxError:
        pass
    else:
        yield daemon.check_port(env.client, server, access.report(env.services).listens)
    yield service.check_service(env.services)
    yield backend.check_backend()


def _print(env: Env, check: Check) -> None:
    mark = styled(str(check.verdict), sys.stdout) + " " * (6 - len(check.verdict))
    env.output.text(f"{mark}  {check.name.ljust(8)}  {check.found}\n")
    if check.fix:
        env.output.text(f"{'':18}fix: {check.fix}\n")
