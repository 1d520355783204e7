"""Tool calls in a way that this package does not know but another parser does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omlx_daemon.worker.parsing.cursor import Cursor, Reading, UnreadableError
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.json_text import json_text

Parser = Callable[[str, Any], Any]
"""Takes what stands between the markers, and the tools; returns one call or a list, each with `name` and `arguments`.
It may raise anything."""


class ForeignTools(ToolFormat):
    """Reads whole calls alone, and loses what its parser loses."""

    def __init__(self, name: str, start: str, end: str, parser: Parser) -> None:
        """Read what stands between `start` and `end` with `parser`; an empty `end` is the answer's."""
        self.name, self.start, self.end = name, start, end
        self._parser = parser

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read up to the end, then parse."""
        if self.end:
            text, _ = yield from cursor.until(self.end)
        else:
            start = cursor.at
            while (yield from cursor.peek()):
                cursor.at = len(cursor.text)
            text = cursor.text[start:]
        for name, arguments in self._parsed(text, tools):
            calls.begin(name)
            calls.say(arguments)
            calls.end()

    def _parsed(self, text: str, tools: Tools) -> list[tuple[str, str]]:
        try:
            found = self._parser(text, list(tools))
            return [_call(one) for one in (found if isinstance(found, list) else [found])]
        except Exception as error:
            raise UnreadableError(f"its parser says: {error}") from error


def _call(found: dict[str, Any]) -> tuple[str, str]:
    arguments = found.get("arguments", {})
    if not isinstance(found["name"], str) or not isinstance(arguments, dict):
        raise TypeError("no call")
    return found["name"], json_text(arguments)
