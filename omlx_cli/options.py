"""Options that every command takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from omlx_cli.env import Env

Function = Callable[..., Any]


def wants_json(arguments: Sequence[str]) -> bool:
    """Tell whether `--json` stands among `arguments`, so that even a usage error can honour it."""
    words = list(arguments)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def common(function: Function) -> Function:
    """Add the options of every command, `--json` and `-q`, and pass the run's Env first."""
    return json_option(quiet_option(click.pass_obj(function)))


def json_option(function: Function) -> Function:
    """Add `--json`."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_set_json, help="Print JSON for programs."
    )(function)


def quiet_option(function: Function) -> Function:
    """Add `-q`."""
    return click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_set_quiet, help="Print no notes, errors only."
    )(function)


def _set_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _env(context).output.as_json = True


def _set_quiet(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        _env(context).output.quiet = True


def _env(context: click.Context) -> Env:
    env: Env = context.find_root().obj
    return env
