"""The interface of every way to write tool calls."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

from omlx_daemon.worker.parsing.cursor import SPACE, Cursor, Reading, UnreadableError
from omlx_daemon.worker.parsing.segments import Kind, Segment

Tools = Sequence[dict[str, Any]]
"""Tools as OpenAI spells them."""


_NAME = re.compile(r"""[^\s{}()\[\]<>"'=,;]+""")


class Call(NamedTuple):
    """A tool's name and its arguments as JSON text."""

    name: str
    arguments: str


class Calls:
    """Takes the calls that a format reads, as it reads them, and cuts them into segments."""

    def __init__(self, cursor: Cursor, first: int = 0, start: int = 0) -> None:
        """Number the calls from `first` on; what is read of them begins at `start`."""
        self.count = first
        """Calls that were begun."""
        self.open = False
        """Whether a call is begun and not ended."""
        self._safe = start
        """Where the last complete call ends."""
        self._cursor = cursor
        self._given = start
        self._name = ""
        self._arguments: list[str] = []
        self._segments: list[Segment] = []

    def begin(self, name: str) -> None:
        """Begin the next call. Raises UnreadableError where `name` can be no tool's."""
        if not _NAME.fullmatch(name.strip()):
            raise UnreadableError(f"{name.strip()[:40]!r} is no tool's name")
        self.open = True
        self.count += 1
        self._name = name.strip()

    def say(self, arguments: str) -> None:
        """Add a piece of the call's arguments."""
        self._arguments.append(arguments)

    def end(self) -> None:
        """End the call."""
        self._cut(done=True)
        self.open = False
        self._safe = self._cursor.at

    def take(self) -> list[Segment]:
        """Return what is new."""
        if self.open and (self._name or self._arguments):
            self._cut()
        taken, self._segments = self._segments, []
        return taken

    def abandon(self, kind: Kind) -> tuple[list[Segment], bool]:
        """Take back the call that is open; give what was read since the last complete one as text of this `kind`.

        Return what is left to give, and whether there was such text.
        """
        is_told = self.open and not self._name
        self.count -= self.open and not is_told
        self._name, self._arguments, self.open = "", [], False
        segments = self.take()
        if is_told:
            segments.append(Segment(Kind.CALL, index=self.count - 1, void=True))
        text = self._cursor.text[self._safe : self._cursor.at]
        if not text.strip(SPACE):
            return [*segments, *self.close()], False
        return [*segments, Segment(kind, text, self._untold(), literal=True)], True

    def close(self) -> list[Segment]:
        """Return the rest of complete calls: what is new, and what marks their end."""
        segments = self.take()
        if size := self._untold():
            segments.append(Segment(Kind.CALL, size=size, index=self.count - 1))
        return segments

    def _untold(self) -> int:
        """Return how much was read since the last segment; it counts as told from now on."""
        size, self._given = self._cursor.at - self._given, self._cursor.at
        return size

    def _cut(self, *, done: bool = False) -> None:
        text, name = "".join(self._arguments), self._name
        self._name, self._arguments = "", []
        self._segments.append(Segment(Kind.CALL, text, self._untold(), self.count - 1, name, done))


class ToolFormat(ABC):
    """One way to write tool calls. Stateless.

    A reader takes only what is well formed, and takes all of it: each character it passes is a marker, white space
    beside one, or part of a name or of arguments. At the first that is none of these it raises UnreadableError.
    """

    name: str
    start: str
    """What a call, or a run of calls, begins with."""
    end: str
    """What it ends with; empty where nothing marks its end."""

    @abstractmethod
    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read what follows `start`, up to `end` with it. Raises UnreadableError."""

    def parse(self, text: str, tools: Tools = ()) -> list[Call]:
        """Return the calls in `text`, which may stand between `start` and `end`. Raises UnreadableError."""
        cursor = Cursor(text)
        cursor.closed = True
        calls = Calls(cursor)
        for _ in self._whole(cursor, calls, tools):
            pass
        if cursor.at < len(text):
            raise UnreadableError("something follows the call")
        return joined(calls.take())

    def _whole(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        yield from cursor.space()
        yield from cursor.accept(self.start)
        yield from self.read(cursor, calls, tools)
        yield from cursor.space()


def joined(segments: Sequence[Segment]) -> list[Call]:
    """Return the calls whose pieces are `segments`."""
    found: dict[int, Call] = {}
    for segment in segments:
        known = found.get(segment.index, Call("", ""))
        found[segment.index] = Call(segment.name or known.name, known.arguments + segment.text)
    return list(found.values())
