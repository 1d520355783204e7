"""The root of `omlx`: its commands by name, imported when used, and the one place where errors end."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from omlx_cli import __version__
from omlx_cli.options import json_option, quiet_option, wants_json

_EXIT_CODES = """\
Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 daemon not running or unreachable, 5 not ready in time,
6 refused (pinned, in use, needs --yes), 130 interrupted, 141 closed pipe; omlx help exit-codes  tells more."""

_SECTIONS: dict[str, dict[str, str]] = {
    "Talk": {
        "run": "Ask a model once, or chat with it.",
        "launch": "Run a coding agent on this daemon.",
        "env": "Print what a coding agent needs, for the shell.",
    },
    "Models on disk": {
        "pull": "Fetch or import a model.",
        "ls": "List the models on disk.",
        "show": "Show one model in detail.",
        "rm": "Delete models.",
    },
    "Models in memory": {
        "ps": "List the models in memory.",
        "load": "Load a model now.",
        "unload": "Unload a model.",
        "pin": "Keep a model in memory, across restarts.",
        "unpin": "Let go of a pinned model.",
        "requests": "List the requests that run or wait.",
        "cancel": "Cancel requests.",
    },
    "Cache": {"cache": "Look at the KV cache, prune, check, pin and move it."},
    "Daemon": {
        "start": "Start the daemon.",
        "stop": "Stop the daemon.",
        "restart": "Stop the daemon and start it again.",
        "status": "Show the daemon, its address and its memory.",
        "top": "Watch the daemon live.",
        "logs": "Print the daemon's log.",
        "serve": "Run the daemon in the foreground.",
        "service": "Start the daemon at login, or on demand alone.",
    },
    "Set-up": {
        "config": "Show or change the settings.",
        "key": "Hand out and withdraw API keys.",
        "doctor": "Check this installation and say how to mend it.",
        "completion": "Print the shell's completion script.",
        "self": "Show where this installation is, put it on the PATH, remove it.",
        "help": "Explain a command, or what exit codes mean.",
    },
}
COMMANDS: dict[str, str] = {name: summary for section in _SECTIONS.values() for name, summary in section.items()}
"""Every command and what it does; `omlx --help` is printed from here, without importing one."""


class Root(click.Group):
    """The group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names, in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            return None
        from importlib import import_module

        command: click.Command = import_module(f"omlx_cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that `args` name; an unknown one is refused with the nearest names."""
        name = args[0]
        if name not in COMMANDS and not name.startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(name, COMMANDS, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section."""
        for title, commands in _SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(10), summary) for name, summary in commands.items()])


@click.command(
    cls=Root,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\n{_EXIT_CODES}\n\n\b\nomlx COMMAND --help  tells more, with examples.",
)
@click.version_option(__version__, "-V", "--version", prog_name="omlx", message="%(prog)s %(version)s")
@json_option
@quiet_option
@click.pass_context
def root(context: click.Context) -> None:
    """Run language models on this machine. The daemon behind it starts by itself."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def main(arguments: Sequence[str]) -> int:
    """Run `omlx` with `arguments` and return its exit code; nothing is raised."""
    from omlx_cli.env import Env

    env = Env()
    try:
        with root.make_context("omlx", list(arguments), obj=env) as context:
            code = root.invoke(context)
            sys.stdout.flush()
            return code if isinstance(code, int) else 0
    except click.exceptions.Exit as stopped:
        return stopped.exit_code
    except BaseException as error:  # noqa: BLE001 - the boundary: every error becomes one line and an exit code
        from omlx_cli.failures import report

        env.output.as_json = env.output.as_json or wants_json(arguments)
        return report(env.output, error, debug=bool(os.environ.get("OMLX_DEBUG")))
