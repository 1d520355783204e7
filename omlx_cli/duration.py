"""Durations on the command line."""

from __future__ import annotations

import click

from omlx_cli.contract.units import parse_duration_s


class _Duration(click.ParamType[str]):
    """Takes `10m`, `1h30m`, `0` or `never`, and hands it on as it was written."""

    name = "duration"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` once it is known to be a duration."""
        try:
            if value:
                parse_duration_s(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return value


DURATION = _Duration()
