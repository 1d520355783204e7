"""`omlx env`: a coding agent's environment, for shell scripts."""

from __future__ import annotations

import click

from omlx_cli.agents import AGENTS
from omlx_cli.env import Env
from omlx_cli.options import common


@click.command("env")
@click.argument("tool", type=click.Choice(list(AGENTS)))
@click.option(
    "-m", "--model", default="", metavar="MODEL", help="Which model it uses; by default the setting model.default."
)
@click.option(
    "--shell", type=click.Choice(["posix", "fish"]), default="posix", show_default=True, help="Whose syntax to print."
)
@common
def command(env: Env, tool: str, model: str, shell: str) -> None:
    """Print what a coding agent needs to use this daemon, as commands for a shell. Nothing is changed.

    \b
    Examples:
      eval "$(omlx env claude)" && claude
      omlx env codex --model qwen3-coder
      omlx env opencode --shell fish | source
    """
    from omlx_cli.agents import launching

    launching.tell(env, tool, model, "fish" if shell == "fish" else "posix")
