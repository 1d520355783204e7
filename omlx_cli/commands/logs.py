"""`omlx logs`: what the daemon wrote down."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

from omlx_cli.contract.logline import LEVELS
from omlx_cli.env import Env
from omlx_cli.moment import MOMENT
from omlx_cli.options import common

if TYPE_CHECKING:
    from omlx_cli.log.records import Record

_USUAL = 50


class LogEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `omlx logs --json`."""

    at: str
    """RFC 3339 UTC; empty for a line that is no entry of the daemon's."""
    level: str
    source: str
    requests: tuple[str, ...]
    """The ids of the requests that it concerns."""
    message: str


@click.command("logs")
@click.option("-f", "--follow", "following", is_flag=True, help="Go on with new entries until Ctrl-C.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(0),
    metavar="N",
    help=f"Print the last N entries; {_USUAL}, or all with --since or --request, unless given.",
)
@click.option(
    "--since", type=MOMENT, metavar="TIME", help="Leave out what is older: 10m, 13:30, 2026-03-01, 2026-03-01T13:30."
)
@click.option("--level", type=click.Choice(LEVELS, case_sensitive=False), help="Leave out what is less grave.")
@click.option("--request", default="", metavar="ID", help="Print what concerns one request, workers included.")
@common
def command(
    env: Env, following: bool, count: int | None, since: datetime | None, level: str | None, request: str
) -> None:
    """Print the end of the daemon's log, whether the daemon runs or not, with what the workers wrote.

    The ID of a request is in its x-request-id header, in its reply (chatcmpl-...), in omlx requests and in
    the log itself; the first characters of it will do. Rotated files are searched, too.

    \b
    Examples:
      omlx logs
      omlx logs -f --level warning
      omlx logs --since 1h | grep smollm2
      omlx logs --request req_0f3a
    """
    from omlx_cli.log.files import last
    from omlx_cli.log.following import follow
    from omlx_cli.log.wanted import Wanted

    wanted = Wanted(level=level or "", request=request, since=since)
    if count is None and not (since or request):
        count = _USUAL
    log = env.paths.daemon_log
    if not following:
        records = last(log, wanted, count)
        _print(env, records)
        if not (records or wanted.everything):
            env.output.note(f"nothing like that in {log} or the files it was rotated to")
        return
    try:
        _print(env, follow(log, wanted, count))
    except KeyboardInterrupt:
        return


def _print(env: Env, records: Iterable[Record]) -> None:
    from omlx_cli.log.shown import shown

    for record in records:
        if env.output.as_json:
            env.output.record(_entry(record))
        else:
            env.output.text(f"{shown(record)}\n")


def _entry(record: Record) -> LogEntry:
    entry = record.entry
    at = datetime.fromisoformat(entry.at).astimezone(UTC) if entry.at else None
    return LogEntry(
        at=at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else "",
        level=entry.level if at else "",
        source=entry.source,
        requests=tuple(entry.request.split(",")) if entry.request else (),
        message=record.message,
    )
