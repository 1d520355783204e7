"""Arguments written as literals of a programming language, as JSON."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from omlx_daemon.worker.parsing.cursor import SPACE, Cursor, Reading, UnreadableError
from omlx_daemon.worker.parsing.json_text import MAX_DEPTH, json_text
from omlx_daemon.worker.parsing.values import ANY, typed

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\\": "\\", '"': '"', "'": "'", "/": "/"}
_CODES = {"x": 2, "u": 4, "U": 8}
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True, slots=True)
class Syntax:
    """How literals are written: what strings stand between, and whether a backslash escapes inside them."""

    quotes: tuple[str, ...]
    escapes: bool
    bare_keys: bool
    bare_text: bool
    """Whether a word that is no number, true, false or null is a string."""


PYTHON = Syntax(('"', "'"), escapes=True, bare_keys=False, bare_text=False)
GEMMA4 = Syntax(('<|"|>', '"'), escapes=False, bare_keys=True, bare_text=False)
FUNCTION_GEMMA = Syntax(("<escape>",), escapes=False, bare_keys=True, bare_text=True)


def read_value(cursor: Cursor, syntax: Syntax, depth: int = 0) -> Reading[str]:
    """Read one value and return it as JSON text. Raises UnreadableError."""
    if depth > MAX_DEPTH:
        raise UnreadableError("the arguments are nested too deeply")
    for quote in syntax.quotes:
        if (yield from cursor.accept(quote)):
            return json_text((yield from _string(cursor, quote, syntax)))
    if (yield from cursor.accept("{")):
        return (yield from read_mapping(cursor, syntax, depth))
    for opening, closing in (("[", "]"), ("(", ")")):
        if (yield from cursor.accept(opening)):
            return (yield from _list(cursor, syntax, closing, depth))
    return (yield from _word(cursor, syntax))


def read_mapping(cursor: Cursor, syntax: Syntax, depth: int = 0) -> Reading[str]:
    """Read what follows an opening brace, and the closing one; return the object as JSON text."""
    members: list[str] = []
    yield from cursor.space()
    while not (yield from cursor.accept("}")):
        if members:
            yield from _comma(cursor)
            if (yield from cursor.accept("}")):
                break
        key = yield from _key(cursor, syntax)
        yield from cursor.space()
        yield from cursor.expect(":")
        yield from cursor.space()
        value = yield from read_value(cursor, syntax, depth + 1)
        members.append(f"{json_text(key)}: {value}")
        yield from cursor.space()
    return "{" + ", ".join(members) + "}"


def _list(cursor: Cursor, syntax: Syntax, closing: str, depth: int) -> Reading[str]:
    items: list[str] = []
    yield from cursor.space()
    while not (yield from cursor.accept(closing)):
        if items:
            yield from _comma(cursor)
            if (yield from cursor.accept(closing)):
                break
        items.append((yield from read_value(cursor, syntax, depth + 1)))
        yield from cursor.space()
    return "[" + ", ".join(items) + "]"


def _comma(cursor: Cursor) -> Reading[None]:
    yield from cursor.expect(",")
    yield from cursor.space()


def _key(cursor: Cursor, syntax: Syntax) -> Reading[str]:
    for quote in syntax.quotes:
        if (yield from cursor.accept(quote)):
            return (yield from _string(cursor, quote, syntax))
    if not syntax.bare_keys:
        raise UnreadableError("a key is missing")
    return (yield from cursor.word(":,{}[]"))


def _word(cursor: Cursor, syntax: Syntax) -> Reading[str]:
    start = cursor.at
    while (letter := (yield from cursor.peek())) and letter not in ",{}[]()":
        cursor.at += 1
    word = cursor.text[start : cursor.at].strip(SPACE)
    value = typed(word, ANY)
    if not word or (value.startswith('"') and not syntax.bare_text):
        raise UnreadableError(f"{word[:20]!r} is no value")
    return value


def _string(cursor: Cursor, quote: str, syntax: Syntax) -> Reading[str]:
    if not syntax.escapes:
        text, _ = yield from cursor.until(quote)
        return text
    parts: list[str] = []
    while True:
        text, end = yield from cursor.until(quote, "\\")
        parts.append(text)
        if end == quote:
            return "".join(parts)
        parts.append((yield from _escape(cursor)))


def _escape(cursor: Cursor) -> Reading[str]:
    """Read what follows a backslash. An unknown escape stands for itself, backslash included."""
    letter = yield from cursor.peek()
    if not letter:
        raise UnreadableError("a string does not end")
    cursor.at += 1
    if letter not in _CODES:
        return _ESCAPES.get(letter, "\\" + letter)
    start = cursor.at
    for _ in range(_CODES[letter]):
        cursor.at += len((yield from cursor.peek()))
    digits = cursor.text[start : cursor.at]
    if len(digits) < _CODES[letter] or not _HEX.issuperset(digits) or int(digits, 16) > sys.maxunicode:
        raise UnreadableError("a string has a broken escape")
    return chr(int(digits, 16))
