"""Durations on the command line."""

from __future__ import annotations

import math

import click

from omlx_cli.contract.units import parse_duration_s, parse_keep_alive_s


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


class _KeepAlive(click.ParamType[str]):
    """Takes what Ollama takes, `5m`, `300`, `0` or `-1`, and hands it on as a duration."""

    name = "keep-alive"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `value` as a duration."""
        try:
            seconds = parse_keep_alive_s(value) if value else 0.0
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if not value:
            return value
        return "never" if math.isinf(seconds) else f"{round(seconds * 1000)}ms"


DURATION = _Duration()
KEEP_ALIVE = _KeepAlive()
