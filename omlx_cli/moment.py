"""Moments on the command line: how long ago, or when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import click

from omlx_cli.contract.units import parse_duration_s

_EXAMPLES = "write for example 10m, 2h, 13:30, 2026-03-01 or 2026-03-01T13:30:00+02:00"


class _Moment(click.ParamType[datetime]):
    """Takes `10m` for that long ago, a time of day, a date, or both, in local time unless an offset follows."""

    name = "moment"

    def convert(self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the moment, aware of its offset."""
        if isinstance(value, datetime):
            return value
        found = _ago(value) or _at(value)
        if found is None:
            self.fail(f"{value!r} is no time; {_EXAMPLES}", param, ctx)
        return found


def _ago(text: str) -> datetime | None:
    try:
        return datetime.now(UTC) - timedelta(seconds=parse_duration_s(text))
    except (ValueError, OverflowError):
        return None


def _at(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        pass
    if ":" not in text:
        return None
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return None
    now = datetime.now().astimezone()
    today = datetime.combine(now.date(), at).astimezone()
    # A time that is still to come today was meant of yesterday.
    return today if today <= now else datetime.combine(now.date() - timedelta(days=1), at).astimezone()


MOMENT = _Moment()
