"""What an error that ends a command prints, and the exit code it becomes."""

from __future__ import annotations

import os
import sys

import click

from omlx_cli.contract.errors import Code, Exit, OmlxError
from omlx_cli.output import Output


def report(output: Output, error: BaseException, *, debug: bool) -> int:
    """Print `error` as one line and a hint, with its traceback where `debug`; return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(Exit.FAILURE)
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return int(Exit.INTERRUPTED)
    if isinstance(error, BrokenPipeError):
        _drop_stdout()
        return int(Exit.CLOSED_PIPE)
    if debug:
        import traceback

        traceback.print_exception(error)
    known = _translate(error)
    output.error(known.body)
    return int(known.meaning.exit)


def _translate(error: BaseException) -> OmlxError:
    if isinstance(error, OmlxError):
        return error
    if isinstance(error, click.UsageError):
        command = error.ctx.command_path if error.ctx else "omlx"
        return OmlxError(Code.INVALID_REQUEST, _plain(error.format_message()), f"{command} --help  tells more")
    if isinstance(error, click.ClickException):
        return OmlxError(Code.INTERNAL, _plain(error.format_message()))
    if isinstance(error, OSError):
        from omlx_cli.contract import storage

        return OmlxError(
            Code.INTERNAL, _os_message(error), storage.advice(error) if error.errno in storage.KNOWN else ""
        )
    return OmlxError(
        Code.INTERNAL, f"internal: {type(error).__name__}: {error}", "set OMLX_DEBUG=1 to see where; omlx logs"
    )


def _plain(message: str) -> str:
    """Return click's sentence in our form: lower case first, no full stop, one line."""
    text = " ".join(message.split()).removesuffix(".")
    return text[:1].lower() + text[1:]


def _os_message(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{error.filename}: {reason}" if error.filename else reason


def _drop_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush cannot fail."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)
    try:
        sys.stdout.flush()
    except OSError:
        return
