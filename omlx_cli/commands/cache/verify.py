"""`omlx cache verify`: stored blocks read and checked."""

from __future__ import annotations

import click

from omlx_cli.books import checking, open_books
from omlx_cli.contract.cache import VerifyBody, VerifyReport
from omlx_cli.contract.errors import Exit
from omlx_cli.contract.units import format_bytes, format_duration
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("verify")
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Check N blocks at random instead of all.")
@click.option("--deep", is_flag=True, help="Compute them again, too, and compare. Needs the daemon.")
@common
def command(env: Env, sample: int | None, deep: bool) -> int:
    """Read stored blocks and check their checksums. A damaged one is put aside, and computed anew when needed.

    Exit code 1 where a block was damaged or could not be read. With --json, progress comes as JSON lines.

    \b
    Examples:
      omlx cache verify
      omlx cache verify --sample 100 --deep
    """
    events = open_books(env).verify(VerifyBody(sample=sample or 0, deep=deep))
    report = checking.follow(events, env.output)
    if not env.output.as_json:
        _print(env, report, deep)
    return Exit.FAILURE if report.damaged or report.unreadable else Exit.OK


def _print(env: Env, report: VerifyReport, deep: bool) -> None:
    for bad in report.problems:
        env.output.line(f"{bad.model or '-'}  {bad.filename}  {bad.reason}")
    spent = f" in {format_duration(report.seconds)}" if report.checked else ""
    env.output.line(f"checked {report.checked} blocks, {format_bytes(report.checked_bytes)}{spent}: {_found(report)}")
    if deep:
        env.output.line(f"computed {report.recomputed} again, to the same values")
    for reason, files in report.left_out.items():
        env.output.line(f"left out {files} {reason}")


def _found(report: VerifyReport) -> str:
    parts = [f"{report.damaged} damaged and put aside"] if report.damaged else []
    parts += [f"{report.unreadable} unreadable"] if report.unreadable else []
    return ", ".join(parts) or "all good"
