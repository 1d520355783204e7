"""Tool calls written as tags with bare text between them."""

from __future__ import annotations

import re
from typing import ClassVar

from omlx_daemon.worker.parsing.cursor import Cursor, Reading, UnreadableError
from omlx_daemon.worker.parsing.formats import Calls, ToolFormat, Tools
from omlx_daemon.worker.parsing.json_calls import read_arguments, read_call
from omlx_daemon.worker.parsing.values import ANY, STRING, Writer

_CDATA = ("<![CDATA[", "]]>")
_PARAMETER = re.compile(r'\s+name="([^"]+)"\s+string="(true|false)"\s*')
_JSON_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})
_ATTRIBUTE = re.compile(r'\s*(\w+)="([^"]*)"')


class Qwen3Coder(ToolFormat):
    """`<tool_call><function=NAME><parameter=KEY>VALUE</parameter></function></tool_call>`."""

    name = "qwen3_coder"
    start = "<tool_call>"
    end = "</tool_call>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read the functions of one call."""
        yield from cursor.space()
        if (yield from cursor.peek()) == "{":
            yield from read_call(cursor, calls)
        else:
            yield from cursor.expect("<function=")
            yield from self._function(cursor, calls, tools)
        yield from cursor.end(self.end)

    def _function(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        name = yield from _name(cursor)
        calls.begin(name)
        writer = Writer(calls, tools, name)
        while not (yield from _closes(cursor, "</function>")):
            yield from cursor.expect("<parameter=")
            key = yield from _name(cursor)
            yield from writer.read(cursor, key, "</parameter>", trim="\n")
        writer.close()


class MinimaxM2(ToolFormat):
    """`<invoke name="NAME"><parameter name="KEY">VALUE</parameter></invoke>`, several in one frame."""

    name = "minimax_m2"
    start = "<minimax:tool_call>"
    end = "</minimax:tool_call>"
    prefix: ClassVar[str] = ""

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read every invocation in the frame."""
        yield from cursor.space()
        invoke = f"<{self.prefix}invoke name="
        yield from cursor.expect(invoke)
        yield from self._invocation(cursor, calls, tools)
        yield from cursor.space()
        while (yield from cursor.accept(invoke)):
            yield from self._invocation(cursor, calls, tools)
            yield from cursor.space()
        yield from cursor.end(self.end)

    def _invocation(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        name = yield from _name(cursor)
        calls.begin(name)
        writer = self._writer(calls, tools, name)
        while not (yield from _closes(cursor, f"</{self.prefix}invoke>")):
            yield from cursor.expect(f"<{self.prefix}parameter name=")
            key = yield from _name(cursor)
            yield from writer.read(cursor, key, f"</{self.prefix}parameter>")
        writer.close()

    def _writer(self, calls: Calls, tools: Tools, name: str) -> Writer:
        return Writer(calls, tools, name)


class MuseSpark(MinimaxM2):
    """The same with a prefix; what no schema declares is JSON where it reads as JSON."""

    name = "muse_spark"
    start = "<atem:function_calls>"
    end = "</atem:function_calls>"
    prefix = "atem:"

    def _writer(self, calls: Calls, tools: Tools, name: str) -> Writer:
        return Writer(calls, tools, name, undeclared="")


class DeepSeekV32(ToolFormat):
    """Invocations whose parameters say whether they are strings or JSON, several in one frame."""

    name = "deepseek_v32"
    start = "<\uff5cDSML\uff5cfunction_calls>"
    end = "</\uff5cDSML\uff5cfunction_calls>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read every invocation in the frame."""
        yield from cursor.space()
        yield from cursor.expect("<\uff5cDSML\uff5cinvoke name=")
        yield from self._invocation(cursor, calls)
        yield from cursor.space()
        while (yield from cursor.accept("<\uff5cDSML\uff5cinvoke name=")):
            yield from self._invocation(cursor, calls)
            yield from cursor.space()
        yield from cursor.end(self.end)

    def _invocation(self, cursor: Cursor, calls: Calls) -> Reading[None]:
        calls.begin((yield from _name(cursor)))
        writer = Writer(calls, (), "")
        while not (yield from _closes(cursor, "</\uff5cDSML\uff5cinvoke>")):
            yield from cursor.expect("<\uff5cDSML\uff5cparameter")
            head, _ = yield from cursor.until(">")
            found = _PARAMETER.fullmatch(head)
            if not found:
                raise UnreadableError(f"{head[:40]!r} names no parameter")
            types = STRING if found[2] == "true" else ANY
            yield from writer.read(cursor, found[1], "</\uff5cDSML\uff5cparameter>", types=types)
        writer.close()


class MiniCpm5(ToolFormat):
    """`<function name="NAME"><param name="KEY">VALUE</param></function>`, without a frame."""

    name = "minicpm5"
    start = "<function name="
    end = "</function>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read one call."""
        name = yield from _name(cursor)
        calls.begin(name)
        writer = Writer(calls, tools, name)
        while not (yield from _closes(cursor, self.end)):
            yield from cursor.expect("<param name=")
            key = yield from _name(cursor)
            writer.add(key, (yield from self._value(cursor)))
        writer.close()

    def _value(self, cursor: Cursor) -> Reading[str]:
        start = cursor.at
        yield from cursor.space()
        if not (yield from cursor.accept(_CDATA[0])):
            space = cursor.text[start : cursor.at]
            value, _ = yield from cursor.until("</param>")
            return space + value
        value, _ = yield from cursor.until(_CDATA[1])
        yield from cursor.space()
        yield from cursor.expect("</param>")
        return value


class Glm47(ToolFormat):
    """`<tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value></tool_call>`."""

    name = "glm47"
    start = "<tool_call>"
    end = "</tool_call>"
    prefix: ClassVar[str] = ""

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read one call."""
        yield from cursor.space()
        if (yield from cursor.peek()) == "{":
            yield from read_call(cursor, calls)
            yield from cursor.end(self.end)
            return
        name = yield from cursor.word("<{}[]")
        calls.begin(name)
        writer = Writer(calls, tools, name, undeclared="")
        while not (yield from _closes(cursor, self.end)):
            yield from cursor.expect(f"<{self.prefix}arg_key>")
            key, _ = yield from cursor.until(f"</{self.prefix}arg_key>")
            yield from cursor.space()
            yield from cursor.expect(f"<{self.prefix}arg_value>")
            yield from writer.read(cursor, key.strip(), f"</{self.prefix}arg_value>")
        writer.close()


class Laguna(Glm47):
    """GLM's way."""

    name = "laguna"


class Longcat(Glm47):
    """GLM's way with a prefix."""

    name = "longcat"
    start = "<longcat_tool_call>"
    end = "</longcat_tool_call>"
    prefix = "longcat_"


class KimiK3(ToolFormat):
    """Elements between `<|open|>` and `<|close|>`, each argument with its key and type."""

    name = "kimi_k3"
    start = "<|open|>tools<|sep|>"
    end = "<|close|>tools<|sep|>"

    def read(self, cursor: Cursor, calls: Calls, tools: Tools) -> Reading[None]:
        """Read every call in the frame."""
        yield from cursor.space()
        yield from cursor.expect("<|open|>call")
        yield from self._call(cursor, calls)
        yield from cursor.space()
        while (yield from cursor.accept("<|open|>call")):
            yield from self._call(cursor, calls)
            yield from cursor.space()
        yield from cursor.end(self.end)

    def _call(self, cursor: Cursor, calls: Calls) -> Reading[None]:
        attributes = yield from _attributes(cursor, ("tool", "index", "id"))
        calls.begin(attributes.get("tool", ""))
        yield from cursor.space()
        if (yield from cursor.accept("<|open|>json")):
            if (yield from _attributes(cursor, ("type",))).get("type", "object") != "object":
                raise UnreadableError("the arguments are no object")
            yield from _raw_object(cursor, calls)
            return
        writer = Writer(calls, (), "")
        while not (yield from _closes(cursor, "<|close|>call<|sep|>")):
            yield from cursor.expect("<|open|>argument")
            argument = yield from _attributes(cursor, ("key", "type"))
            if "key" not in argument:
                raise UnreadableError("an argument has no key")
            yield from writer.read(cursor, argument["key"], "<|close|>argument<|sep|>", types=_declared(argument))
        writer.close()


def _raw_object(cursor: Cursor, calls: Calls) -> Reading[None]:
    """Read arguments that are one JSON object, and the end of their call."""
    yield from read_arguments(cursor, calls)
    yield from cursor.space()
    yield from cursor.expect("<|close|>json<|sep|>")
    yield from cursor.space()
    yield from cursor.expect("<|close|>call<|sep|>")
    calls.end()


def _attributes(cursor: Cursor, known: tuple[str, ...]) -> Reading[dict[str, str]]:
    text, _ = yield from cursor.until("<|sep|>")
    found = {name: value.replace("&quot;", '"').replace("&amp;", "&") for name, value in _ATTRIBUTE.findall(text)}
    if _ATTRIBUTE.sub("", text).strip() or not found.keys() <= set(known):
        raise UnreadableError(f"{text[:40]!r} are no attributes of a call")
    return found


def _declared(argument: dict[str, str]) -> frozenset[str]:
    """Return the types that an argument may be of; none where it is JSON of any type. Raises UnreadableError."""
    if argument.get("type", "string") not in _JSON_TYPES:
        raise UnreadableError("an argument is of no type")
    return STRING if argument.get("type", "string") == "string" else ANY


def _name(cursor: Cursor) -> Reading[str]:
    """Read a name, which may stand in quotes, and the `>` that ends its tag."""
    quote = yield from cursor.peek()
    if quote and quote in "\"'":
        cursor.at += 1
        name, _ = yield from cursor.until(quote)
    else:
        name = yield from cursor.word("<>")
    yield from cursor.space()
    yield from cursor.accept(">")
    return name


def _closes(cursor: Cursor, tag: str) -> Reading[bool]:
    yield from cursor.space()
    return (yield from cursor.accept(tag))
