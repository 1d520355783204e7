"""`omlx config`: the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from omlx_cli.options import common

if TYPE_CHECKING:
    from omlx_cli.env import Env


@click.group("config")
def command() -> None:
    """Show or change the settings in config.toml.

    \b
    Examples:
      omlx config get
      omlx config get server.port
      omlx config set model.ttl 1h
    """


@command.command("get")
@click.argument("key", required=False)
@common
def get(env: Env, key: str | None) -> None:
    """Print one setting, or all of them, defaults included."""
    from omlx_cli import configuration

    values = configuration.flatten(env.settings)
    if key is not None:
        values = {key: configuration.value_of(values, key)}
    if env.output.as_json:
        env.output.document(configuration.document(values, show_secrets=key is not None))
    elif key is not None:
        env.output.line(configuration.plain(values[key]))
    else:
        env.output.line("\n".join(configuration.listing(values)))


@command.command("set")
@click.argument("key")
@click.argument("value")
@common
def set_(env: Env, key: str, value: str) -> None:
    """Change one setting; lists are written with commas. Your comments stay."""
    from omlx_cli import configuration
    from omlx_cli.contract.api import Done

    configuration.change(env.paths.config, key, value)
    if env.output.as_json:
        env.output.document(Done(message=f"{key} is set"))
    if env.client.health() is not None:
        env.output.note("omlx restart  makes the running daemon use it")


@command.command("path")
@common
def path(env: Env) -> None:
    """Print where the settings are."""
    from omlx_cli.contract.api import Done

    if env.output.as_json:
        env.output.document(Done(message=str(env.paths.config)))
    else:
        env.output.line(str(env.paths.config))
