"""`omlx config`: the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from omlx_cli.contract import routes
from omlx_cli.contract.api import ReloadReply
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
      omlx config set models.smollm2.temperature 0.2
      omlx config reload
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
    """Change one setting; lists are written with commas. Your comments stay. A running daemon is told."""
    from omlx_cli import configuration
    from omlx_cli.contract.api import Done
    from omlx_cli.contract.errors import OmlxError

    configuration.change(env.paths.config, key, value)
    if env.output.as_json:
        env.output.document(Done(message=f"{key} is set"))
    if env.client.health() is None:
        return
    try:
        reply = env.client.post(routes.RELOAD, {}, ReloadReply)
    except OmlxError as error:
        env.output.warn(f"the running daemon does not use it yet: {error}")
        return
    for line in _notes(reply):
        env.output.note(line)


@command.command("reload")
@common
def reload(env: Env) -> None:
    """Have the running daemon read config.toml again. What is invalid there changes nothing.

    \b
    Examples:
      omlx config reload
      omlx config reload --json
    """
    reply = env.client.post(routes.RELOAD, {}, ReloadReply)
    if env.output.as_json:
        env.output.document(reply)
        return
    for key in reply.applied:
        env.output.line(f"{key}  is in use")
    for line in _notes(reply):
        env.output.line(line)
    if not (reply.applied or reply.next_load or reply.restart):
        env.output.line("nothing has changed")


@command.command("path")
@common
def path(env: Env) -> None:
    """Print where the settings are."""
    from omlx_cli.contract.api import Done

    if env.output.as_json:
        env.output.document(Done(message=str(env.paths.config)))
    else:
        env.output.line(str(env.paths.config))


def _notes(reply: ReloadReply) -> list[str]:
    """Return one line for each setting that is not in use yet."""
    later = [f"{key}  takes effect when a model is loaded the next time" for key in reply.next_load]
    return [*later, *(f"{key}  needs  omlx restart" for key in reply.restart)]
