"""Where words go: stdout is data, stderr is everything else.

msgspec is imported where something is encoded: `--help` does without it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from omlx_cli.contract.errors import ErrorBody

_RED, _YELLOW, _GREEN, _DIM, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[32m", "\x1b[2m", "\x1b[0m"
_STYLES = {
    "error": _RED, "critical": _RED, "warning": _YELLOW, "broken": _RED, "warn": _YELLOW, "ok": _GREEN, "dim": _DIM,
}  # fmt: skip

_CONTROLS = {
    code: "\N{REPLACEMENT CHARACTER}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\t\n"
}


class Output:
    """What one run prints. `as_json` and `quiet` are set while the arguments are parsed."""

    def __init__(self) -> None:
        self.as_json = False
        self.quiet = False

    def line(self, text: str) -> None:
        """Print one line of data."""
        sys.stdout.write(f"{text}\n")

    def text(self, text: str) -> None:
        """Print data as it is, at once."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def document(self, value: object) -> None:
        """Print `value` as the one JSON document of this run; indented for a terminal."""
        import msgspec

        encoded = msgspec.json.encode(value)
        if sys.stdout.isatty():
            encoded = msgspec.json.format(encoded, indent=2)
        self.line(encoded.decode())

    def record(self, value: object) -> None:
        """Print `value` as one line of a stream of JSON documents, at once."""
        import msgspec

        self.text(msgspec.json.encode(value).decode() + "\n")

    def note(self, text: str) -> None:
        """Tell people something that is not data; `-q` silences it."""
        if not self.quiet:
            sys.stderr.write(f"{text}\n")

    def aside(self, text: str) -> None:
        """Show people on a terminal, at once and dimmed, what is no data and need not be kept; `-q` silences it."""
        if not self.quiet and sys.stderr.isatty():
            sys.stderr.write(styled(text, sys.stderr, "dim"))
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Warn people of something that did not stop the command."""
        sys.stderr.write(f"{styled('warning', sys.stderr)}: {text}\n")

    def error(self, body: ErrorBody) -> None:
        """Print why the command failed."""
        if self.as_json:
            import msgspec

            sys.stderr.write(msgspec.json.encode({"error": body}).decode() + "\n")
            return
        sys.stderr.write(f"{styled('error', sys.stderr)}: {body.message}\n")
        if body.hint:
            sys.stderr.write(f"hint: {body.hint}\n")


def printable(text: str) -> str:
    """Return `text` without what would steer a terminal: names and messages may come from anybody."""
    return text.translate(_CONTROLS)


def styled(word: str, stream: TextIO, style: str = "") -> str:
    """Return `word` in its colour, or in that of `style`, where `stream` shows colours."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not stream.isatty():
        return word
    return f"{_STYLES[style or word]}{word}{_RESET}"
