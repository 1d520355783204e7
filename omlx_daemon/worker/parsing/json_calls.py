"""Tool calls written as JSON objects with a name and arguments."""

from __future__ import annotations

from dataclasses import dataclass, field

from omlx_daemon.worker.parsing.cursor import Cursor, Reading, UnreadableError
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.json_text import read_literal, read_object, read_string, read_text

_NAMES = ("name", "function")
_ARGUMENTS = ("arguments", "parameters")
_NOTES = ("id", "type", "index")
"""What some models say of a call beside the call itself."""


@dataclass(slots=True)
class _Parts:
    """One object so far."""

    calls: Calls
    name: str = ""
    has_arguments: bool = False
    early: list[str] = field(default_factory=list)
    """Arguments that came before the name."""

    def say(self, text: str) -> None:
        """Add a piece of the arguments."""
        if self.name:
            self.calls.say(text)
        else:
            self.early.append(text)

    def begin(self, name: str) -> None:
        """Learn the name."""
        if self.name:
            raise UnreadableError("a call has two names")
        self.calls.begin(name)
        self.name = name
        self.calls.say("".join(self.early))


def read_call(cursor: Cursor, calls: Calls) -> Reading[None]:
    """Read one call: `{"name": ..., "arguments": {...}}`, its members in any order. Raises UnreadableError."""
    parts = _Parts(calls)
    yield from cursor.expect("{")
    yield from cursor.space()
    while True:
        yield from _member(cursor, parts)
        yield from cursor.space()
        if not (yield from cursor.accept(",")):
            break
        yield from cursor.space()
    yield from cursor.expect("}")
    if not parts.name:
        raise UnreadableError("a call has no name")
    if not parts.has_arguments:
        calls.say("{}")
    calls.end()


def read_arguments(cursor: Cursor, calls: Calls) -> Reading[None]:
    """Read the arguments of the call that is open: an object. Raises UnreadableError."""
    yield from cursor.space()
    yield from read_object(cursor, calls.say)


class JsonTools(ToolFormat):
    """`<tool_call>{"name": ..., "arguments": {...}}</tool_call>`, as Hermes and Qwen write it."""

    name = "json_tools"
    start = "<tool_call>"
    end = "</tool_call>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read one call."""
        yield from cursor.space()
        yield from read_call(cursor, calls)
        yield from cursor.end(self.end)


def _member(cursor: Cursor, parts: _Parts) -> Reading[None]:
    key = yield from read_text(cursor)
    yield from cursor.space()
    yield from cursor.expect(":")
    yield from cursor.space()
    if key in _NAMES:
        parts.begin((yield from read_text(cursor)))
    elif key in _ARGUMENTS and not parts.has_arguments:
        parts.has_arguments = True
        yield from _arguments(cursor, parts)
    elif key in _NOTES:
        yield from _note(cursor)
    else:
        raise UnreadableError(f"a call has no {key[:40]!r}")


def _arguments(cursor: Cursor, parts: _Parts) -> Reading[None]:
    letter = yield from cursor.peek()
    if letter == '"':
        parts.say(_object_in((yield from read_text(cursor))))
    elif letter == "n":
        yield from cursor.expect("null")
        parts.say("{}")
    else:
        yield from read_object(cursor, parts.say)


def _object_in(text: str) -> str:
    """Return the JSON object that a string holds; some templates have models write arguments so."""
    if not text.strip():
        return "{}"
    inner = Cursor(text.strip())
    inner.closed = True
    said: list[str] = []
    for _ in read_object(inner, said.append):
        pass
    if inner.at < len(inner.text):
        raise UnreadableError("something follows the arguments")
    return "".join(said)


def _note(cursor: Cursor) -> Reading[None]:
    if (yield from cursor.peek()) == '"':
        yield from read_string(cursor, _forget)
    else:
        yield from read_literal(cursor, _forget)


def _forget(text: str) -> None:
    """Take a piece that is no part of a call."""
