"""`omlx launch`: a coding agent on this daemon."""

from __future__ import annotations

import click

from omlx_cli.agents import AGENTS
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("launch")
@click.argument("tool", type=click.Choice(list(AGENTS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[-- ARGUMENTS...]")
@click.option(
    "-m", "--model", default="", metavar="MODEL", help="Which model it uses; by default the setting model.default."
)
@click.option("--print-env", is_flag=True, help="Print what it would get, as omlx env does, and run nothing.")
@click.option(
    "--write-config", is_flag=True, help="Write it into the agent's own settings, keeping a copy; run nothing."
)
@common
def command(env: Env, tool: str, arguments: tuple[str, ...], model: str, print_env: bool, write_config: bool) -> None:
    """Run a coding agent with this daemon as its model. Its own settings stay as they are.

    The agent gets variables and arguments for this one run. What stands after -- goes to the agent.

    \b
    Examples:
      omlx launch claude
      omlx launch codex --model qwen3-coder -- exec "explain this folder"
      omlx launch opencode --print-env
      omlx launch qwen --write-config
    """
    if print_env and write_config:
        raise click.UsageError("--print-env and --write-config exclude each other")
    from omlx_cli.agents import launching

    if print_env:
        launching.tell(env, tool, model, "posix")
    elif write_config:
        launching.write(env, tool, model)
    else:
        launching.run(env, tool, model, arguments)
