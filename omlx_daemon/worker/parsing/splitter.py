"""Splits answers whose reasoning and tool calls stand between markers."""

from __future__ import annotations

from omlx_daemon.worker.parsing.cursor import SPACE, Cursor, Reading, UnreadableError, beginning
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.reasoning import ReasoningFormat
from omlx_daemon.worker.parsing.segments import Kind, Segment
from omlx_daemon.worker.parsing.unread import Unread


class MarkedSplitter:
    """Finds markers wherever the text is cut. White space beside a marker belongs to it.

    A call that cannot be read is text again up to where that shows, and what follows is read as if nothing had been.
    A call inside reasoning ends it, as models forget to.
    """

    def __init__(
        self, reasoning: ReasoningFormat | None, tools: ToolFormat | None, offered: Tools = (), *, inside: bool = False
    ) -> None:
        """Look for `reasoning`, and for calls of the `offered` tools as `tools` has them; `inside` where the prompt has
        opened the reasoning."""
        self._reasoning = reasoning
        self._tools = tools
        self._offered = offered
        self._unread = Unread(tools.name if tools else "")
        self._text = ""
        self._closed = False
        self._kind = Kind.REASONING if inside and reasoning else Kind.TEXT
        self._beside: Kind | None = self._kind if self._kind is Kind.REASONING else None
        """What the marker belongs to that the next text stands beside; None where it stands beside none."""
        self._quiet = True
        """Whether no visible text was given since the beginning, the last reasoning or the last call."""
        self._count = 0
        self._call: tuple[Cursor, Calls, Reading[None]] | None = None

    @property
    def kind(self) -> Kind:
        """What the text is that comes next."""
        return Kind.CALL if self._call else self._kind

    @property
    def warnings(self) -> tuple[str, ...]:
        """What could not be read."""
        return self._unread.warnings

    def feed(self, text: str) -> list[Segment]:
        """Return what `text` makes certain."""
        if self._call:
            self._call[0].text += text
        else:
            self._text += text
        return self._run()

    def finish(self) -> list[Segment]:
        """Return the rest."""
        self._closed = True
        return self._run()

    def _run(self) -> list[Segment]:
        segments: list[Segment] = []
        while self._step(segments):
            pass
        return segments

    def _step(self, out: list[Segment]) -> bool:
        """Read on; tell whether there may be more to read."""
        return self._read_call(out) if self._call else self._read_text(out)

    def _read_text(self, out: list[Segment]) -> bool:
        if self._beside:
            self._pass_space(out, self._beside)
        place, marker = self._next_marker()
        if not marker:
            self._give(out, len(self._text) - self._held())
            return False
        if self._tools and marker == self._tools.start:
            self._give(out, len(self._text[:place].rstrip(SPACE)))
            self._begin_call()
            return True
        visible = self._text[:place].rstrip(SPACE)
        self._give(out, len(visible))
        self._pass(out, marker)
        return True

    def _pass_space(self, out: list[Segment], beside: Kind) -> None:
        """Read the white space that belongs to the marker before it."""
        rest = self._text.lstrip(SPACE)
        if size := len(self._text) - len(rest):
            out.append(Segment(beside, "", size, index=self._count - 1 if beside is Kind.CALL else 0))
            self._text = rest
        self._beside = None if rest else beside

    def _pass(self, out: list[Segment], marker: str) -> None:
        """Read a marker, and the white space before it."""
        size = self._text.index(marker) + len(marker)
        if self._reasoning and marker == self._reasoning.start:
            self._kind = Kind.REASONING
        self._take(out, "", size)
        self._beside, self._quiet = self._kind, True
        if self._reasoning and marker == self._reasoning.end:
            self._kind = Kind.TEXT

    def _next_marker(self) -> tuple[int, str]:
        """Return the nearest marker and where it stands; empty where there is none."""
        found = [(place, marker) for marker in self._markers() if (place := self._find(marker)) >= 0]
        return min(found, default=(0, ""))

    def _markers(self) -> tuple[str, ...]:
        calls = (self._tools.start,) if self._tools else ()
        if self._reasoning is None:
            return calls
        if self._kind is Kind.REASONING:
            return (self._reasoning.end, *calls)
        opens = self._quiet or self._reasoning.anywhere
        return (*((self._reasoning.start,) if opens else ()), *self._reasoning.dropped, *calls)

    def _find(self, marker: str) -> int:
        place = self._text.find(marker)
        reasoning = self._reasoning
        if (
            reasoning
            and marker == reasoning.start
            and not reasoning.anywhere
            and self._text[: max(place, 0)].strip(SPACE)
        ):
            return -1
        return place

    def _held(self) -> int:
        """Return how many characters at the end may be a marker's, or the white space before one."""
        markers = self._markers()
        if self._closed or not markers:
            return 0
        certain = self._text[: len(self._text) - beginning(self._text, markers)]
        return len(self._text) - len(certain.rstrip(SPACE))

    def _give(self, out: list[Segment], count: int) -> None:
        text = self._text[:count]
        if self._kind is Kind.TEXT and text.strip(SPACE):
            self._quiet = False
        self._take(out, text, count)

    def _take(self, out: list[Segment], text: str, size: int) -> None:
        if size:
            out.append(Segment(self._kind, text, size))
            self._text = self._text[size:]

    def _begin_call(self) -> None:
        assert self._tools
        cursor = Cursor(self._text, self._text.index(self._tools.start) + len(self._tools.start))
        calls = Calls(cursor, self._count)
        self._text = ""
        self._call = cursor, calls, self._tools.read(cursor, calls, self._offered)

    def _read_call(self, out: list[Segment]) -> bool:
        assert self._call
        cursor, calls, reading = self._call
        cursor.closed = self._closed
        try:
            next(reading)
        except StopIteration:
            out += calls.close()
            self._kind, self._beside, self._quiet = Kind.TEXT, Kind.CALL, True
        except UnreadableError as error:
            self._fail_call(calls, str(error), out)
        else:
            out += calls.take()
            return False
        self._count, self._call, self._text = calls.count, None, cursor.text[cursor.at :]
        return True

    def _fail_call(self, calls: Calls, reason: str, out: list[Segment]) -> None:
        segments, unread = calls.abandon(self._kind)
        out += segments
        self._beside = None if unread else Kind.CALL
        if not unread:
            self._kind, self._quiet = Kind.TEXT, True
        elif self._kind is Kind.TEXT:
            self._quiet = False
            self._unread.add(reason)
