"""Arguments that a model writes as bare text, as JSON of the type that the tool's schema declares."""

from __future__ import annotations

import json
from typing import Any

from omlx_daemon.worker.parsing.cursor import Cursor, Reading
from omlx_daemon.worker.parsing.formats import Calls, Tools
from omlx_daemon.worker.parsing.json_text import json_text

STRING: frozenset[str] = frozenset({"string"})
ANY: frozenset[str] = frozenset()

_WORDS = {"true": "true", "false": "false", "null": "null", "True": "true", "False": "false", "None": "null"}
_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    type(None): "null",
}
_SPELLINGS = {
    "str": "string", "text": "string", "varchar": "string", "char": "string", "enum": "string",
    "int": "integer", "long": "integer", "float": "number", "double": "number", "bool": "boolean",
    "list": "array", "arr": "array", "dict": "object",
}  # fmt: skip


class Writer:
    """Writes the arguments of a call that is open, one by one."""

    def __init__(self, calls: Calls, tools: Tools, name: str, *, undeclared: str = "string") -> None:
        """Write for the tool `name` of `tools`; an argument that it does not declare is `undeclared`, or, where that is
        empty, whatever it reads as."""
        self._calls = calls
        self._properties = _properties(tools, name)
        self._undeclared = frozenset({undeclared} - {""})
        self._separator = "{"

    def read(
        self, cursor: Cursor, key: str, end: str, *, trim: str = "", types: frozenset[str] | None = None
    ) -> Reading[None]:
        """Read an argument's bare text, up to `end` and without one `trim` at either side; write a string as it comes.

        It is of one of `types`, or of those that the tool declares. Raises UnreadableError.
        """
        types = self._types(key) if types is None else types
        if types == STRING:
            self._begin(key, '"')
            yield from cursor.flow(end, self._say_inside, trim)
            self._calls.say('"')
        else:
            value, _ = yield from cursor.until(end)
            self._begin(key, typed(value.removeprefix(trim).removesuffix(trim), types))

    def add(self, key: str, value: str) -> None:
        """Write an argument that was given as bare text."""
        self._begin(key, typed(value, self._types(key)))

    def add_json(self, key: str, value: str) -> None:
        """Write an argument that is JSON text."""
        self._begin(key, value)

    def close(self) -> None:
        """End the arguments, and the call with them."""
        self._calls.say("{}" if self._separator == "{" else "}")
        self._calls.end()

    def _begin(self, key: str, value: str) -> None:
        self._calls.say(f"{self._separator}{json_text(key)}: {value}")
        self._separator = ", "

    def _say_inside(self, text: str) -> None:
        """Write a piece of a string."""
        self._calls.say(json_text(text)[1:-1])

    def _types(self, key: str) -> frozenset[str]:
        schema = self._properties.get(key)
        return self._undeclared if schema is None else _types(schema)


def typed(text: str, types: frozenset[str]) -> str:
    """Return bare `text` as JSON text of one of `types`, as a string where it is of none; no types are any."""
    if types == STRING:
        return json_text(text)
    stripped = _WORDS.get(text.strip(), text.strip())
    kind = _kind(stripped)
    if kind == "integer" and "number" in types:
        return stripped
    is_whole = kind == "number" and "integer" in types and float(stripped).is_integer()
    if is_whole or (kind == "integer" and "number" in types):
        return stripped
    return stripped if kind and kind != "string" and (kind in types or not types) else _string(text, kind, types)


def _string(text: str, kind: str, types: frozenset[str]) -> str:
    return text.strip() if kind == "string" and "string" not in types else json_text(text)


def _kind(text: str) -> str:
    """Return what JSON text `text` is, empty where it is no JSON."""
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return ""
    return _KINDS[type(value)]


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _properties(tools: Tools, name: str) -> dict[str, Any]:
    for tool in tools:
        function = tool.get("function")
        if isinstance(function, dict) and function.get("name") == name:
            parameters = function.get("parameters")
            properties = parameters.get("properties") if isinstance(parameters, dict) else None
            return properties if isinstance(properties, dict) else {}
    return {}


def _types(schema: Any) -> frozenset[str]:
    """Return the types that a schema allows; none where it does not say."""
    if not isinstance(schema, dict):
        return frozenset()
    declared = schema.get("type")
    named = [declared] if isinstance(declared, str) else declared if isinstance(declared, list) else []
    found = {_SPELLINGS.get(kind.lower(), kind.lower()) for kind in named if isinstance(kind, str)}
    if not found and isinstance(schema.get("enum"), list):
        found = {_KINDS[type(value)] for value in schema["enum"] if type(value) in _KINDS}
    for word in ("anyOf", "oneOf", "allOf"):
        options = schema.get(word)
        for option in options if isinstance(options, list) else []:
            found |= _types(option)
    return frozenset(found)
