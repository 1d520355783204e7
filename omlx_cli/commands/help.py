"""`omlx help`: a command's help, or a topic that belongs to all of them."""

from __future__ import annotations

import click
import msgspec

from omlx_cli.contract import errors
from omlx_cli.contract.api import Reply
from omlx_cli.contract.errors import Exit
from omlx_cli.env import Env
from omlx_cli.options import common
from omlx_cli.table import columns

EXIT_CODES = "exit-codes"
MEANINGS: dict[Exit, str] = {
    Exit.OK: "it worked",
    Exit.FAILURE: "it failed",
    Exit.USAGE: "wrong usage, or a wrong configuration",
    Exit.NOT_FOUND: "no such model, no such thing",
    Exit.UNREACHABLE: "the daemon is not running, cannot be reached, or cannot use its home",
    Exit.NOT_READY: "not ready in time",
    Exit.REFUSED: "refused: pinned, in use, no memory, or --yes is missing",
    Exit.INTERRUPTED: "interrupted",
    Exit.CLOSED_PIPE: "the reader of stdout went away",
}


class ExitCode(msgspec.Struct, frozen=True):
    """One exit code."""

    code: int
    meaning: str
    errors: tuple[str, ...]
    """Codes of the errors that end so, as `--json` prints them."""


class ExitCodes(Reply, frozen=True, kw_only=True):
    """Answer of `omlx help exit-codes`."""

    exit_codes: tuple[ExitCode, ...]


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND|exit-codes]")
@common
@click.pass_context
def command(context: click.Context, env: Env, words: tuple[str, ...]) -> None:
    """Explain a command, or a topic: exit-codes lists what exit codes mean, and which errors end in each.

    \b
    Examples:
      omlx help cache prune
      omlx help exit-codes
      omlx help exit-codes --json
    """
    if words == (EXIT_CODES,):
        _show(env)
    else:
        click.echo(_help_of(context.find_root(), words))


def _show(env: Env) -> None:
    rows = [ExitCode(code, meaning, _errors(code)) for code, meaning in MEANINGS.items()]
    if env.output.as_json:
        env.output.document(ExitCodes(exit_codes=tuple(rows)))
        return
    env.output.line(columns(("CODE", "MEANING"), [(str(row.code), row.meaning) for row in rows], right=("CODE",)))
    env.output.line("\nWith --json, an error says more: its code is one of these.\n")
    cells = [(str(row.code), name) for row in rows for name in row.errors]
    env.output.line(columns(("CODE", "ERROR"), cells, right=("CODE",)))


def _errors(code: Exit) -> tuple[str, ...]:
    return tuple(sorted(name.value for name, meaning in errors.MEANINGS.items() if meaning.exit is code))


def _help_of(root: click.Context, words: tuple[str, ...]) -> str:
    """Return the help of the command that `words` name. Raises click.UsageError where there is none."""
    found, context = root.command, root
    for word in words:
        below = found.resolve_command(context, [word])[1] if isinstance(found, click.Group) else None
        if below is None:
            raise click.UsageError(f"there is no command {' '.join(words)!r}", root)
        found, context = below, click.Context(below, parent=context, info_name=word)
    return found.get_help(context)
