"""`omlx cache`: the KV cache. Each verb is a module of its own, imported when it is called."""

from __future__ import annotations

import click

VERBS: dict[str, str] = {
    "stats": "Show what the cache holds, may hold and saved.",
    "ls": "List what is stored, by model.",
    "explain": "Tell why a prompt was not reused further.",
    "prune": "Remove blocks by age, size, model or use.",
    "verify": "Check stored blocks.",
    "clear": "Remove everything that is not pinned.",
    "pin": "Keep a system prompt ready for good.",
    "unpin": "Let a pinned prompt go.",
    "pins": "List the pinned prompts.",
    "warm": "Compute and store a prompt now.",
    "export": "Write a model's or a pin's blocks to an archive.",
    "import": "Take the blocks of an archive.",
    "path": "Print where the cache lies.",
}
"""Every verb and what it does; the group's help is printed from here, without importing one."""


class Verbs(click.Group):
    """The group that imports a verb's module when the verb is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, in the order of the help text."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one verb."""
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        module = {"import": "import_"}.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"omlx_cli.commands.cache.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group("cache", cls=Verbs, invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Look at the KV cache, prune, check, pin and move it. Every verb takes --json.

    What only looks, prunes or checks works without the daemon too, and never starts it.

    \b
    Examples:
      omlx cache stats
      omlx cache prune --older-than 7d
      omlx cache pin agent --system prompt.txt
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
