"""`omlx doctor`: what is wrong, and what mends it."""

from __future__ import annotations

import click

from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Exit
from omlx_cli.diagnosis.areas import AREAS
from omlx_cli.diagnosis.check import Check, Verdict
from omlx_cli.env import Env
from omlx_cli.options import common

_HELP = """Check this installation, and say what mends what is wrong.

    Each finding is ok, a warning (it works, but could do better) or broken, with the command that mends it. Exit
    code 1 where something is broken. The daemon is not started, and nothing is changed but one thing: a damaged
    block of the KV cache that is met is put aside, as omlx cache verify does.

    \b
    Areas, all of them unless some are named:
{areas}

    \b
    Examples:
      omlx doctor
      omlx doctor service port
      omlx doctor --json
    """


class DoctorReply(Reply, frozen=True, kw_only=True):
    """What `omlx doctor --json` prints."""

    checks: tuple[Check, ...]


@click.command("doctor", help=_HELP.format(areas="\n".join(f"      {name:9} {text}" for name, text in AREAS.items())))
@click.argument("areas", nargs=-1, type=click.Choice(list(AREAS)), metavar="[AREA]...")
@common
def command(env: Env, areas: tuple[str, ...]) -> int:
    """Look at some areas, or at all."""
    from omlx_cli.diagnosis import shown
    from omlx_cli.diagnosis.areas import run
    from omlx_cli.diagnosis.subject import Subject

    checks = []
    for check in run(areas, Subject(env)):
        checks.append(check)
        if not env.output.as_json:
            env.output.text(f"{shown.check(check)}\n")
    if env.output.as_json:
        env.output.document(DoctorReply(checks=tuple(checks)))
    else:
        env.output.note(shown.summary(checks))
    broken = any(check.verdict is Verdict.BROKEN for check in checks)
    return int(Exit.FAILURE if broken else Exit.OK)
