"""One spelling for what means the same: tools, their schemas, the arguments of calls, white space."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from omlx_daemon.canonical.turns import SYSTEM, changed_texts
from omlx_daemon.core.requests import ChatPrompt, Message

_FIRST = ("type", "function", "name", "title", "description", "parameters", "strict", "properties", "required", "items")
"""Keys that models have seen in this order; all others follow by their names."""
_RANK = {key: rank for rank, key in enumerate(_FIRST)}


def tools_order(prompt: ChatPrompt) -> ChatPrompt:
    """Put tools in order of their names; those without one keep their order, at the end."""
    tools = tuple(sorted(prompt.tools, key=_tool_name))
    is_same = all(one is other for one, other in zip(tools, prompt.tools, strict=True))
    return prompt if is_same else msgspec.structs.replace(prompt, tools=tools)


def tools_json(prompt: ChatPrompt) -> ChatPrompt:
    """Write the keys of tools in one order: properties as `required` lists them, then by their names."""
    tools = tuple(_sorted(tool) for tool in prompt.tools)
    if _spelled(tools) == _spelled(prompt.tools):
        return prompt
    return msgspec.structs.replace(prompt, tools=tools)


def arguments_json(prompt: ChatPrompt) -> ChatPrompt:
    """Write the arguments of tool calls as compact JSON, keys in their order; what is no JSON stays as it is."""
    messages = tuple(map(_with_arguments, prompt.messages))
    is_same = all(one is other for one, other in zip(messages, prompt.messages, strict=True))
    return prompt if is_same else msgspec.structs.replace(prompt, messages=messages)


def whitespace(prompt: ChatPrompt) -> ChatPrompt:
    """Trim white space around system messages and after tool results."""
    return changed_texts(changed_texts(prompt, SYSTEM, str.strip), ("tool",), str.rstrip)


def _tool_name(tool: dict[str, object]) -> tuple[bool, str]:
    function = tool.get("function")
    name = function.get("name") if isinstance(function, dict) else tool.get("name")
    return not isinstance(name, str), name if isinstance(name, str) else ""


def _spelled(tools: tuple[dict[str, object], ...]) -> bytes:
    return msgspec.json.encode(tools)


def _sorted(value: dict[str, object]) -> dict[str, object]:
    return {key: _value(value, key) for key in sorted(value, key=lambda key: (_RANK.get(key, len(_RANK)), key))}


def _value(parent: dict[str, object], key: str) -> object:
    value = parent[key]
    if key == "properties" and isinstance(value, dict):
        names = _properties(value, parent.get("required"))
        return {name: _ordered(value[name]) for name in names}
    return _ordered(value)


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return _sorted(value)
    return [_ordered(item) for item in value] if isinstance(value, list | tuple) else value


def _properties(properties: dict[str, object], required: object) -> Iterator[str]:
    """Yield names of properties: an array keeps its order through every writer of JSON, an object does not."""
    listed = [name for name in required if isinstance(name, str)] if isinstance(required, list | tuple) else []
    first = [name for name in dict.fromkeys(listed) if name in properties]
    yield from first
    yield from sorted(properties.keys() - set(first))


def _with_arguments(message: Message) -> Message:
    calls = tuple(map(_call, message.tool_calls))
    is_same = all(one is other for one, other in zip(calls, message.tool_calls, strict=True))
    return message if is_same else msgspec.structs.replace(message, tool_calls=calls)


def _call(call: dict[str, object]) -> dict[str, object]:
    function = call.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("arguments"), str):
        return call
    after = _rewritten(function["arguments"])
    return call if after == function["arguments"] else {**call, "function": {**function, "arguments": after}}


def _rewritten(text: str) -> str:
    try:
        return msgspec.json.encode(msgspec.json.decode(text)).decode()
    except (ValueError, OverflowError, RecursionError):
        return text
