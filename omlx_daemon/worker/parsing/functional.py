"""Tool calls written like calls of functions: Gemma's ways, and Python's."""

from __future__ import annotations

from typing import ClassVar

from omlx_daemon.worker.parsing import literals
from omlx_daemon.worker.parsing.cursor import Cursor, Reading
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.literals import Syntax, read_mapping, read_value
from omlx_daemon.worker.parsing.values import Writer


class Gemma4(ToolFormat):
    """`call:NAME{KEY:VALUE}`, strings between `<|"|>`."""

    name = "gemma4"
    start = "<|tool_call>"
    end = "<tool_call|>"
    syntax: ClassVar[Syntax] = literals.GEMMA4

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read the calls in one frame."""
        yield from cursor.space()
        yield from cursor.expect("call:")
        yield from self._call(cursor, calls)
        yield from cursor.space()
        while (yield from cursor.accept("call:")):
            yield from self._call(cursor, calls)
            yield from cursor.space()
        yield from cursor.end(self.end)

    def _call(self, cursor: Cursor, calls: Calls) -> Reading[None]:
        calls.begin((yield from cursor.word("{}[]<>:")))
        yield from cursor.space()
        yield from cursor.expect("{")
        calls.say((yield from read_mapping(cursor, self.syntax)))
        calls.end()


class FunctionGemma(Gemma4):
    """The same between other markers, strings between `<escape>`."""

    name = "function_gemma"
    start = "<start_function_call>"
    end = "<end_function_call>"
    syntax = literals.FUNCTION_GEMMA


class Pythonic(ToolFormat):
    """`[NAME(KEY=VALUE, ...), ...]`."""

    name = "pythonic"
    start = "<|tool_call_start|>"
    end = "<|tool_call_end|>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read a list of calls."""
        yield from cursor.space()
        yield from cursor.expect("[")
        while True:
            yield from cursor.space()
            yield from self._call(cursor, calls)
            yield from cursor.space()
            if not (yield from cursor.accept(",")):
                break
        yield from cursor.expect("]")
        yield from cursor.end(self.end)

    def _call(self, cursor: Cursor, calls: Calls) -> Reading[None]:
        name = yield from cursor.word("()[]{}=,")
        yield from cursor.space()
        yield from cursor.expect("(")
        calls.begin(name)
        writer = Writer(calls, (), name)
        yield from cursor.space()
        while not (yield from cursor.accept(")")):
            key = yield from cursor.word("=(),[]{}")
            yield from cursor.space()
            yield from cursor.expect("=")
            yield from cursor.space()
            writer.add_json(key, (yield from read_value(cursor, literals.PYTHON)))
            yield from cursor.space()
            if (yield from cursor.accept(",")):
                yield from cursor.space()
        writer.close()
