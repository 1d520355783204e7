"""Answers that are several messages, each with a header that says what it is: harmony's way, and Muse Spark's."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from omlx_daemon.worker.parsing.cursor import Cursor, Reading, UnreadableError, beginning
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.json_calls import read_arguments
from omlx_daemon.worker.parsing.segments import Kind, Segment
from omlx_daemon.worker.parsing.tagged import MuseSpark
from omlx_daemon.worker.parsing.unread import Unread

_MESSAGE = "<|message|>"
_RECIPIENT = re.compile(r"to=([^\s<]+)")
_REASONING = re.compile(r"\banalysis\b")
_BUILT_IN = "functions."


@dataclass(frozen=True, slots=True)
class Channels:
    """How messages are set apart: what a header begins with and looks like, and what a message ends with."""

    openings: tuple[str, ...]
    header: re.Pattern[str]
    """A whole header but for its end; anything else is text."""
    ends: tuple[str, ...]
    kind: Callable[[str], Kind]
    tools: ToolFormat
    read: Callable[[Cursor, Calls, str, Tools], Reading[None]]
    """Reads the body of a message that calls a tool, as far as it is the call's. Raises UnreadableError."""


class HarmonyTools(ToolFormat):
    """`<|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>`."""

    name = "harmony"
    start = "<|channel|>commentary to="
    end = "<|call|>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read one call."""
        header, _ = yield from cursor.until(_MESSAGE)
        yield from _harmony_call(cursor, calls, f"to={header}", tools)
        yield from cursor.end(self.end)


class ChannelSplitter:
    """Reads message by message. What stands in no message is text."""

    def __init__(self, channels: Channels, *, parses: bool, offered: Tools = ()) -> None:
        """Read messages as `channels` has them; where it `parses` no calls, they are text."""
        self._channels = channels
        self._parses = parses
        self._offered = offered
        self._unread = Unread(channels.tools.name)
        self._cursor = Cursor()
        self._kind = Kind.TEXT
        self._calls: Calls | None = None
        self._count = 0
        self._given = 0
        self._out: list[Segment] = []
        self._reading = self._read()

    @property
    def kind(self) -> Kind:
        """What the text is that comes next."""
        return self._kind

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be read."""
        return self._unread.warnings

    def feed(self, text: str) -> list[Segment]:
        """Return what `text` makes certain."""
        self._cursor.text += text
        return self._run()

    def finish(self) -> list[Segment]:
        """Return the rest."""
        self._cursor.closed = True
        return self._run()

    def _run(self) -> list[Segment]:
        next(self._reading, None)
        if self._calls:
            self._out += self._calls.take()
        out, self._out = self._out, []
        return out

    def _read(self) -> Reading[None]:
        while (yield from self._cursor.peek()):
            if (yield from self._is_header()):
                yield from self._message()
            else:
                self._kind = Kind.TEXT
                yield from self._body()

    def _is_header(self) -> Reading[bool]:
        cursor, openings = self._cursor, self._channels.openings
        while True:
            rest = cursor.text[cursor.at :]
            if rest.startswith(openings):
                return True
            if cursor.closed or not any(opening.startswith(rest) for opening in openings):
                return False
            yield

    def _message(self) -> Reading[None]:
        cursor, start = self._cursor, self._cursor.at
        try:
            header, _ = yield from cursor.until(_MESSAGE)
        except UnreadableError:
            cursor.at = len(cursor.text)
            self._give(Kind.TEXT, cursor.text[start:], literal=True)
            return
        is_header = self._channels.header.fullmatch(header)
        self._kind = self._channels.kind(header) if is_header else Kind.TEXT
        if not is_header or (self._kind is Kind.CALL and not self._parses):
            self._kind = Kind.TEXT
            self._give(Kind.TEXT, cursor.text[start : cursor.at], literal=True)
        elif self._kind is Kind.CALL:
            yield from self._call(header, start)
        else:
            self._give(self._kind, "")
        yield from self._body()

    def _call(self, header: str, start: int) -> Reading[None]:
        calls = self._calls = Calls(self._cursor, self._count, start)
        try:
            yield from self._channels.read(self._cursor, calls, header, self._offered)
            yield from self._cursor.space()
            self._out += calls.close()
        except UnreadableError as error:
            segments, unread = calls.abandon(Kind.TEXT)
            self._out += segments
            self._kind = Kind.TEXT
            if unread:
                self._unread.add(str(error))
        self._count, self._calls, self._given = calls.count, None, self._cursor.at

    def _body(self) -> Reading[None]:
        """Read to the end of a message, and give what stands in it."""
        cursor, ends = self._cursor, self._channels.ends
        kind = Kind.TEXT if self._kind is Kind.CALL else self._kind
        while True:
            found = [(place, end) for end in ends if (place := cursor.text.find(end, cursor.at)) >= 0]
            place, end = min(found, default=(len(cursor.text), ""))
            if not end and not cursor.closed:
                place -= beginning(cursor.text[cursor.at :], ends)
            text, cursor.at = cursor.text[cursor.at : place], place
            self._give(kind, text)
            if end:
                cursor.at += len(end)
                self._give(self._kind, "")
                self._kind = Kind.TEXT
            if end or cursor.closed:
                return
            self._forget()
            yield

    def _give(self, kind: Kind, text: str, *, literal: bool = False) -> None:
        """Give `text`, and count what was read since the last piece as its."""
        size, self._given = self._cursor.at - self._given, self._cursor.at
        if size or text:
            index = max(self._count - 1, 0) if kind is Kind.CALL else 0
            self._out.append(Segment(kind, text, size, index, literal=literal))

    def _forget(self) -> None:
        """Keep no text that was given."""
        self._cursor.text, self._cursor.at, self._given = self._cursor.text[self._cursor.at :], 0, 0


def _harmony_kind(header: str) -> Kind:
    if _RECIPIENT.search(header):
        return Kind.CALL
    return Kind.REASONING if _REASONING.search(header) else Kind.TEXT


def _harmony_call(cursor: Cursor, calls: Calls, header: str, tools: Tools) -> Reading[None]:
    found = _RECIPIENT.search(header)
    calls.begin(found[1].removeprefix(_BUILT_IN) if found else "")
    yield from read_arguments(cursor, calls)
    calls.end()


def _muse_kind(header: str) -> Kind:
    recipient = _RECIPIENT.search(header)
    if recipient and recipient[1] == "self":
        return Kind.REASONING
    return Kind.TEXT if not recipient or recipient[1] in ("user", "commentary") else Kind.CALL


def _muse_call(cursor: Cursor, calls: Calls, header: str, tools: Tools) -> Reading[None]:
    yield from cursor.space()
    yield from cursor.expect(_MUSE.start)
    yield from _MUSE.read(cursor, calls, tools)


_MUSE = MuseSpark()

HARMONY = Channels(
    openings=("<|channel|>", "<|start|>", _MESSAGE, " to=", "to="),
    header=re.compile(
        r"(?!.*to=.*to=)(?:<\|(?:start|channel|constrain)\|>|\s|to=[^\s<]+"
        r"|assistant|analysis|commentary|final|json|code|text)*"
    ),
    ends=("<|end|>", "<|call|>", "<|return|>", "<|start|>", "<|channel|>"),
    kind=_harmony_kind,
    tools=HarmonyTools(),
    read=_harmony_call,
)
MUSE_SPARK = Channels(
    openings=("<|start|>", _MESSAGE, " to=", "to="),
    header=re.compile(r"(?:<\|start\|>assistant)?\s*(?:to=[^\s<]+)?\s*"),
    ends=("<|eom|>", "<|eot|>", "<|start|>"),
    kind=_muse_kind,
    tools=_MUSE,
    read=_muse_call,
)
