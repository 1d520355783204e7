"""Tools of this dialect as functions, the one kind that models know, and their calls back.

A tool of a namespace is called `NAMESPACE__NAME`. A custom tool takes free text: its function has one string,
`input`. Hosted web search is left out with a warning, since clients offer it whatever the server is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from omlx_daemon.api.extras import invalid, shallow
from omlx_daemon.api.responses.parts import convert
from omlx_daemon.api.responses.schema import Item
from omlx_daemon.core.requests import ToolChoice, ToolMode

_JOINT = "__"
_FUNCTION = re.compile(r"tools\[(\d+)\]\.function")
_LEFT_OUT = "web_search"
_MODES = {"auto": ToolMode.AUTO, "none": ToolMode.NONE, "required": ToolMode.REQUIRED}
_FREE_TEXT = {
    "type": "object",
    "properties": {"input": {"type": "string"}},
    "required": ["input"],
    "additionalProperties": False,
}


class Function(msgspec.Struct, frozen=True, kw_only=True):
    """A tool whose arguments are JSON."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Custom(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that takes free text; its grammar is told to the model, not enforced."""

    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """Tools under a common name."""

    name: str
    tools: list[Item]


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A choice of one tool."""

    name: str
    namespace: str | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Where a function came from."""

    name: str
    namespace: str = ""
    is_custom: bool = False


class Tools:
    """The tools of one request."""

    def __init__(self, raw: list[Item]) -> None:
        """Read `raw`. Raises OmlxError(INVALID_REQUEST) for a tool that is not supported."""
        self.warnings: list[str] = []
        self.functions: list[dict[str, object]] = []
        """Each as OpenAI's chat spells it."""
        self._known: dict[str, Known] = {}
        self._places: list[str] = []
        """Where each function stands in the body."""
        for place, item in self._walk(raw, "tools", ""):
            self._add(place, *item)

    def known(self, name: str) -> Known:
        """Return where the function called `name` came from."""
        return self._known.get(name, Known(name=name))

    def choice(self, asked: str | Item | None, parallel: bool) -> ToolChoice:
        """Return what `tool_choice` asks for. Raises OmlxError(INVALID_REQUEST)."""
        if asked is None:
            return ToolChoice(parallel=parallel)
        if isinstance(asked, str):
            if asked not in _MODES:
                raise invalid("tool_choice", f"{asked!r} is none of {', '.join(_MODES)}, and no tool as an object")
            mode = _MODES[asked]
            if mode is ToolMode.REQUIRED and not self.functions:
                raise invalid("tool_choice", "there are no tools to choose from")
            return ToolChoice(mode=mode, parallel=parallel)
        if asked.get("type") not in ("function", "custom"):
            raise invalid("tool_choice.type", f"{asked.get('type')!r} is not supported, only function and custom")
        chosen = convert(asked, Named, "tool_choice")
        name = joined(chosen.namespace or "", chosen.name)
        if name not in self._known:
            raise invalid("tool_choice.name", f"no tool is called {chosen.name!r}")
        return ToolChoice(mode=ToolMode.NAMED, name=name, parallel=parallel)

    def field(self, name: str) -> str:
        """Return the body's field for what the core calls `name`, such as `tools[0].function.parameters`."""
        found = _FUNCTION.match(name)
        if found is None or int(found[1]) >= len(self._places):
            return name
        return self._places[int(found[1])] + name[found.end() :]

    def _walk(self, raw: list[Item], place: str, space: str) -> Iterator[tuple[str, tuple[Item, str]]]:
        for index, item in enumerate(raw):
            at = f"{place}[{index}]"
            if item.get("type") == "namespace" and not space:
                group = convert(item, Namespace, at)
                yield from self._walk(group.tools, f"{at}.tools", group.name)
            else:
                yield at, (item, space)

    def _add(self, place: str, item: Item, space: str) -> None:
        kind = item.get("type")
        if kind == "function":
            tool = convert(item, Function, place)
            shallow(tool.parameters, f"{place}.parameters")
            self._take(place, Known(name=tool.name, namespace=space), tool.description, tool.parameters, tool.strict)
        elif kind == "custom":
            custom = convert(item, Custom, place)
            known = Known(name=custom.name, namespace=space, is_custom=True)
            self._take(place, known, _described(custom), _FREE_TEXT, None)
        elif isinstance(kind, str) and kind.startswith(_LEFT_OUT):
            self.warnings.append(f"{place}: there is no hosted web search; the model is not told of it")
        else:
            raise invalid(f"{place}.type", f"{kind!r} tools are not supported, only function, custom and namespace")

    def _take(
        self, place: str, known: Known, description: str | None, parameters: dict[str, Any] | None, strict: bool | None
    ) -> None:
        name = joined(known.namespace, known.name)
        if name in self._known:
            raise invalid(f"{place}.name", f"another tool is called {known.name!r} too")
        self._known[name] = known
        self._places.append(place)
        function: dict[str, object] = {"name": name}
        if description is not None:
            function["description"] = description
        function["parameters"] = parameters or {"type": "object", "properties": {}}
        if strict is not None:
            function["strict"] = strict
        self.functions.append({"type": "function", "function": function})


def joined(namespace: str, name: str) -> str:
    """Return the function's name of a tool in a namespace, or in none."""
    return f"{namespace}{_JOINT}{name}" if namespace else name


def wrapped(text: str) -> str:
    """Return the arguments of a custom tool's call as JSON."""
    return msgspec.json.encode({"input": text}).decode()


def unwrapped(arguments: str) -> str:
    """Return the free text in the arguments of a custom tool's call; the arguments themselves where there is none."""
    try:
        found = msgspec.json.decode(arguments)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    text = found.get("input") if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments


def _described(tool: Custom) -> str | None:
    grammar = (tool.format or {}).get("definition")
    if not isinstance(grammar, str):
        return tool.description
    return "\n\n".join(part for part in (tool.description, f"The input follows this grammar:\n{grammar}") if part)
