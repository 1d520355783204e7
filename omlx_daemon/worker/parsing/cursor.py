"""An answer's text as it comes: what reads it is a generator that waits inside for what has not come yet."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

T = TypeVar("T")

Reading = Generator[None, None, T]
"""Something being read. It yields where it needs more text, and returns what was read."""

Emit = Callable[[str], None]
"""Takes a piece of what is read as soon as it is certain."""

SPACE = " \t\r\n"


class UnreadableError(Exception):
    """The text is not as its format writes it. The cursor stands where that shows."""


class Cursor:
    """A text that grows; `at` is the first character that is not read, `closed` says that no more will come.

    How the text is cut into pieces makes no difference to what is read.
    """

    def __init__(self, text: str = "", at: int = 0) -> None:
        self.text = text
        self.at = at
        self.closed = False

    def peek(self) -> Reading[str]:
        """Return the next character without reading it; empty at the end."""
        while self.at >= len(self.text):
            if self.closed:
                return ""
            yield
        return self.text[self.at]

    def space(self) -> Reading[None]:
        """Read white space, if any stands here."""
        while (letter := (yield from self.peek())) and letter in SPACE:
            self.at += 1

    def accept(self, literal: str) -> Reading[bool]:
        """Read `literal` where it stands here; tell whether it did."""
        while not self.text.startswith(literal, self.at):
            if self.closed or not literal.startswith(self.text[self.at : self.at + len(literal)]):
                return False
            yield
        self.at += len(literal)
        return True

    def expect(self, literal: str) -> Reading[None]:
        """Read `literal`. Raises UnreadableError where something else stands here."""
        if not (yield from self.accept(literal)):
            raise UnreadableError(f"{literal!r} is missing")

    def end(self, literal: str) -> Reading[None]:
        """Read white space and `literal`, of which the end of the text may have cut off all or a part."""
        yield from self.space()
        if not (yield from self.accept(literal)):
            rest = self.text[self.at :]
            if not (self.closed and literal.startswith(rest)):
                raise UnreadableError(f"{literal!r} is missing")
            self.at = len(self.text)

    def until(self, *ends: str) -> Reading[tuple[str, str]]:
        """Read up to the nearest of `ends` and that itself; return both. Raises UnreadableError where none comes."""
        start = seen = self.at
        longest = max(map(len, ends))
        while True:
            found = [(place, end) for end in ends if (place := self.text.find(end, seen)) >= 0]
            if found:
                place, end = min(found)
                self.at = place + len(end)
                return self.text[start:place], end
            if self.closed:
                raise UnreadableError(f"{' or '.join(map(repr, ends))} is missing")
            seen = max(start, len(self.text) - longest + 1)
            yield

    def flow(self, end: str, emit: Emit, trim: str = "") -> Reading[None]:
        """Read up to `end` and that itself; emit what stands before it as it comes, but for one `trim` at either side.

        Raises UnreadableError where `end` does not come.
        """
        yield from self.accept(trim)
        while (place := self.text.find(end, self.at)) < 0:
            if self.closed:
                raise UnreadableError(f"{end!r} is missing")
            certain = len(self.text) - beginning(self.text[self.at :], (end, trim + end))
            emit(self.text[self.at : certain])
            self.at = certain
            yield
        emit(self.text[self.at : place].removesuffix(trim))
        self.at = place + len(end)

    def word(self, stop: str) -> Reading[str]:
        """Read a name: what stands before white space, a character of `stop`, or the end. Raises UnreadableError where
        there is none."""
        start = self.at
        while (letter := (yield from self.peek())) and letter not in SPACE and letter not in stop:
            self.at += 1
        if self.at == start:
            raise UnreadableError("a name is missing")
        return self.text[start : self.at]


def beginning(text: str, markers: tuple[str, ...]) -> int:
    """Return the length of the longest end of `text` that begins one of `markers`."""
    for length in range(min(len(text), max(map(len, markers), default=1) - 1), 0, -1):
        if any(marker.startswith(text[-length:]) for marker in markers):
            return length
    return 0
