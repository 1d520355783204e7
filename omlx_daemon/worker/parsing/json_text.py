"""JSON read as it comes: checked and handed on piece by piece, never decoded."""

from __future__ import annotations

import json
import re
from typing import Any

from omlx_daemon.worker.parsing.cursor import SPACE, Cursor, Emit, Reading, UnreadableError

MAX_DEPTH = 100

_RUN = re.compile(r'[^"\\\x00-\x1f]+')
_LITERAL = re.compile(r"true|false|null|-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_ESCAPED = frozenset('"\\/bfnrt')
_HEX = frozenset("0123456789abcdefABCDEF")


def json_text(value: Any) -> str:
    """Return `value` as JSON text."""
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def read_object(cursor: Cursor, emit: Emit) -> Reading[None]:
    """Read one object and emit its text; raw control characters inside strings are escaped.

    Raises UnreadableError.
    """
    if (yield from cursor.peek()) != "{":
        raise UnreadableError("the arguments are no object")
    yield from _container(cursor, emit, 1)


def read_string(cursor: Cursor, emit: Emit) -> Reading[None]:
    """Read one string and emit its text, quotes included. Raises UnreadableError."""
    yield from _take(cursor, '"', emit)
    while (letter := (yield from cursor.peek())) != '"':
        if run := _RUN.match(cursor.text, cursor.at):
            cursor.at = run.end()
            emit(run[0])
        elif letter == "\\":
            emit((yield from _escape(cursor)))
        elif letter:
            # Models write line breaks into strings as they are.
            cursor.at += 1
            emit(json.dumps(letter)[1:-1])
        else:
            raise UnreadableError("a string does not end")
    yield from _take(cursor, '"', emit)


def read_text(cursor: Cursor) -> Reading[str]:
    """Read one string and return what it stands for. Raises UnreadableError."""
    parts: list[str] = []
    yield from read_string(cursor, parts.append)
    value = str(json.loads("".join(parts)))
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnreadableError("half a character is escaped") from error
    return value


def read_literal(cursor: Cursor, emit: Emit) -> Reading[None]:
    """Read a number, true, false or null and emit its text. Raises UnreadableError."""
    word = yield from cursor.word(',:]}["{')
    if not _LITERAL.fullmatch(word):
        raise UnreadableError(f"{word[:20]!r} is no JSON")
    emit(word)


def _value(cursor: Cursor, emit: Emit, depth: int) -> Reading[None]:
    letter = yield from cursor.peek()
    if letter == '"':
        yield from read_string(cursor, emit)
    elif letter and letter in "{[":
        yield from _container(cursor, emit, depth + 1)
    else:
        yield from read_literal(cursor, emit)


def _container(cursor: Cursor, emit: Emit, depth: int) -> Reading[None]:
    if depth > MAX_DEPTH:
        raise UnreadableError("the arguments are nested too deeply")
    opening = yield from cursor.peek()
    closing = "]" if opening == "[" else "}"
    yield from _take(cursor, "[" if opening == "[" else "{", emit)
    yield from _space(cursor, emit)
    if (yield from cursor.peek()) != closing:
        yield from _members(cursor, emit, depth, keyed=closing == "}")
    yield from _take(cursor, closing, emit)


def _members(cursor: Cursor, emit: Emit, depth: int, *, keyed: bool) -> Reading[None]:
    while True:
        if keyed:
            yield from read_string(cursor, emit)
            yield from _space(cursor, emit)
            yield from _take(cursor, ":", emit)
            yield from _space(cursor, emit)
        yield from _value(cursor, emit, depth)
        yield from _space(cursor, emit)
        if (yield from cursor.peek()) != ",":
            return
        yield from _take(cursor, ",", emit)
        yield from _space(cursor, emit)


def _take(cursor: Cursor, letter: str, emit: Emit) -> Reading[None]:
    yield from cursor.expect(letter)
    emit(letter)


def _space(cursor: Cursor, emit: Emit) -> Reading[None]:
    while (letter := (yield from cursor.peek())) and letter in SPACE:
        cursor.at += 1
        emit(letter)


def _escape(cursor: Cursor) -> Reading[str]:
    start = cursor.at
    cursor.at += 1
    letter = yield from cursor.peek()
    if letter not in _ESCAPED and letter != "u":
        raise UnreadableError("a string has a broken escape")
    cursor.at += 1
    for _ in range(4 if letter == "u" else 0):
        if (yield from cursor.peek()) not in _HEX:
            raise UnreadableError("a string has a broken escape")
        cursor.at += 1
    return cursor.text[start : cursor.at]
