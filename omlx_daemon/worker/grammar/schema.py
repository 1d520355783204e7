"""JSON schemas as a grammar takes them: what cannot be kept to is found before it is too late."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from omlx_cli.contract.errors import Code, OmlxError

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
MAX_MEMBERS = 500
"""Of one object; the work grows with their square."""
MAX_MULTIPLE = 10_000
"""The divisor's digits, without the point: the work grows with them."""
_OPTIONS = "x-guidance"
_RETIRED = frozenset({"additionalItems", "divisibleBy", "disallow", "extends"})
_WHITE_SPACE = r"[\x20\x0A\x0D\x09]{1,32}"
"""Between two words of JSON: enough for deep indentation, and an end to it."""
_ESCAPES = 'nrbtf\\"'
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_OBJECT: Mapping[str, Any] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema as text with how it is to be kept to, and the request's field that it comes from."""

    text: str
    field: str
    loose: str = ""
    """The text of what is kept to instead where this cannot be; empty where it has to be."""


def enforced(schema: Mapping[str, Any], field: str) -> Schema:
    """Return a schema that is kept to in full. Raises OmlxError(INVALID_REQUEST) where it plainly cannot be."""
    check(schema, field)
    return Schema(_text(schema, lenient=False), field)


def preferred(schema: Mapping[str, Any], field: str, instead: Mapping[str, Any] = _OBJECT) -> Schema:
    """Return a schema that is kept to as far as it can be, and `instead` of it at least."""
    loose = _text(instead, lenient=False)
    try:
        check(schema, field)
    except OmlxError:
        return Schema(loose, field)
    return Schema(_text(schema, lenient=True), field, loose)


def type_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a schema says of the type alone; nothing where it names none, or an unknown one."""
    named = schema.get("type")
    kinds = named if isinstance(named, list) else [named]
    return {"type": kinds} if kinds and all(kind in _TYPES for kind in kinds) else {}


def check(schema: Mapping[str, Any], field: str) -> None:
    """Raise OmlxError(INVALID_REQUEST) for a schema that is too large, or that a grammar would not keep to."""
    for depth, part in _parts(schema):
        if depth > MAX_DEPTH:
            raise refused(f"it is nested more than {MAX_DEPTH} levels deep", field)
        if isinstance(part, Mapping) and (reason := _reason(part)):
            raise refused(reason, field)
    if len(json.dumps(schema)) > MAX_BYTES:
        raise refused(f"it is larger than {MAX_BYTES >> 10} KiB", field)


def refused(reason: str, field: str, hint: str = "simplify the schema, or ask without strict") -> OmlxError:
    """Return the error for what cannot be enforced."""
    return OmlxError(Code.INVALID_REQUEST, f"{field} cannot be enforced: {reason}", hint, param=field)


def _text(schema: Mapping[str, Any], *, lenient: bool) -> str:
    options: dict[str, object] = {"whitespace_pattern": _WHITE_SPACE, "lenient": lenient, "coerce_one_of": lenient}
    if not _is_closed(schema):
        # A name written with an escape is another name to the grammar, and the same to whoever reads the answer.
        options["json_allowed_escapes"] = _ESCAPES
    return json.dumps({**schema, _OPTIONS: options})


def _parts(value: object) -> Iterator[tuple[int, object]]:
    """Yield every value inside of `value`, with its depth; a loop, since depth is what is to be bounded."""
    left: list[tuple[int, object]] = [(1, value)]
    while left:
        depth, part = left.pop()
        yield depth, part
        if depth <= MAX_DEPTH and isinstance(part, Mapping | list | tuple):
            inner = part.values() if isinstance(part, Mapping) else part
            left += [(depth + 1, one) for one in inner]


def _reason(schema: Mapping[str, Any]) -> str:
    """Return why these keywords cannot be enforced though a grammar could be built from them; empty if they can.

    Objects whose members are called so are looked at in the same way: their values never have these types.
    """
    if retired := sorted(key for key in _RETIRED & schema.keys() if not isinstance(schema[key], Mapping)):
        return f"{retired[0]} is no keyword of JSON Schema any more"
    for key in ("exclusiveMinimum", "exclusiveMaximum"):
        if isinstance(schema.get(key), bool):
            return f"{key} has to be a number"
    members = schema.get("properties")
    if isinstance(members, Mapping) and len(members) > MAX_MEMBERS:
        return f"an object has more than {MAX_MEMBERS} members"
    multiple = schema.get("multipleOf")
    if isinstance(multiple, int | float) and _digits(multiple) > MAX_MULTIPLE:
        return f"multipleOf {multiple} has too many digits"
    fewest, required = schema.get("minProperties"), schema.get("required")
    named = len(required) if isinstance(required, list) else 0
    if isinstance(fewest, int) and fewest > named + 1:
        return f"minProperties is {fewest}, and a name that is not required may be repeated"
    return ""


def _digits(number: float) -> int:
    digits = Decimal(str(number)).normalize().as_tuple().digits
    return int("".join(map(str, digits)))


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Return whether no object may have members beside those that are named."""
    for _, part in _parts(schema):
        if isinstance(part, Mapping):
            named = "properties" in part or "required" in part
            if "patternProperties" in part or (named and part.get("additionalProperties") is not False):
                return False
    return True
