"""Tool calls written as JSON arguments between markers of their own: Kimi's and Mistral's ways."""

from __future__ import annotations

from omlx_daemon.worker.parsing.cursor import Cursor, Reading, UnreadableError
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.json_calls import read_arguments, read_call


class KimiK2(ToolFormat):
    """`functions.NAME:0<|tool_call_argument_begin|>{...}`, each in a frame, all in one more."""

    name = "kimi_k2"
    start = "<|tool_calls_section_begin|>"
    end = "<|tool_calls_section_end|>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read every call in the frame."""
        yield from cursor.space()
        yield from cursor.expect("<|tool_call_begin|>")
        yield from self._call(cursor, calls)
        yield from cursor.space()
        while (yield from cursor.accept("<|tool_call_begin|>")):
            yield from self._call(cursor, calls)
            yield from cursor.space()
        yield from cursor.end(self.end)

    def _call(self, cursor: Cursor, calls: Calls) -> Reading[None]:
        head, _ = yield from cursor.until("<|tool_call_argument_begin|>")
        calls.begin(_tool(head))
        yield from read_arguments(cursor, calls)
        yield from cursor.end("<|tool_call_end|>")
        calls.end()


class DeepSeekV3(ToolFormat):
    """A name, a separator and arguments, which the older way puts into a fence; each in a frame, all in one more."""

    name = "deepseek_v3"
    start = "<\uff5ctool\u2581calls\u2581begin\uff5c>"
    end = "<\uff5ctool\u2581calls\u2581end\uff5c>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read every call in the frame."""
        yield from cursor.space()
        yield from cursor.expect("<\uff5ctool\u2581call\u2581begin\uff5c>")
        yield from self._call(cursor, calls)
        yield from cursor.space()
        while (yield from cursor.accept("<\uff5ctool\u2581call\u2581begin\uff5c>")):
            yield from self._call(cursor, calls)
            yield from cursor.space()
        yield from cursor.end(self.end)

    def _call(self, cursor: Cursor, calls: Calls) -> Reading[None]:
        head, _ = yield from cursor.until("<\uff5ctool\u2581sep\uff5c>")
        yield from cursor.space()
        if (yield from cursor.peek()) == "{":
            calls.begin(head)
            yield from read_arguments(cursor, calls)
        elif head.strip() == "function":
            name, _ = yield from cursor.until("```json")
            calls.begin(name)
            yield from read_arguments(cursor, calls)
            yield from cursor.space()
            yield from cursor.expect("```")
        else:
            raise UnreadableError("the arguments are missing")
        yield from cursor.end("<\uff5ctool\u2581call\u2581end\uff5c>")
        calls.end()


class Mistral(ToolFormat):
    """`[TOOL_CALLS]` and a list of calls, or `NAME[ARGS]{...}` as often as there are calls. Nothing marks the end."""

    name = "mistral"
    start = "[TOOL_CALLS]"
    end = ""

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read a list of calls, or one call."""
        yield from cursor.space()
        if (yield from cursor.accept("[")):
            yield from _list(cursor, calls)
            return
        name = yield from cursor.word("[]{}")
        yield from cursor.space()
        if (yield from cursor.accept("[CALL_ID]")):
            yield from cursor.word("[]{}")
        yield from cursor.expect("[ARGS]")
        calls.begin(name)
        yield from read_arguments(cursor, calls)
        calls.end()


def _list(cursor: Cursor, calls: Calls) -> Reading[None]:
    while True:
        yield from cursor.space()
        yield from read_call(cursor, calls)
        yield from cursor.space()
        if not (yield from cursor.accept(",")):
            break
    yield from cursor.end("]")


def _tool(head: str) -> str:
    """Return the tool's name in `functions.NAME:0`."""
    name, colon, number = head.strip().removeprefix("functions.").rpartition(":")
    if not colon or not number.isdecimal() or not name:
        raise UnreadableError(f"{head[:40]!r} names no tool")
    return name
