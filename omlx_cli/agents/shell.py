"""A launch as lines for a shell, which bash, zsh and fish all read."""

from __future__ import annotations

import shlex
from typing import Literal

from omlx_cli.agents.agent import Launch

Shell = Literal["posix", "fish"]


def lines(program: str, launch: Launch, shell: Shell) -> list[str]:
    """Return commands that set up a shell, so that `program` speaks with the daemon from then on."""
    unset, export = ("set -e {}", "set -gx {} {}") if shell == "fish" else ("unset {}", "export {}={}")
    cleared = [unset.format(name) for name in launch.cleared]
    exported = [export.format(name, _quoted(value, shell)) for name, value in launch.environment.items()]
    if not launch.arguments:
        return [*cleared, *exported]
    words = " ".join(_quoted(word, shell) for word in (program, *launch.arguments))
    return [*cleared, *exported, f"alias {program}={_quoted(words, shell)}"]


def _quoted(text: str, shell: Shell) -> str:
    if shell == "posix":
        return shlex.quote(text)
    # Within fish's single quotes a backslash stands before itself and before a quote.
    plain = shlex.quote(text) == text
    return text if plain else "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
