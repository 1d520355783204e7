"""Arguments that a format writes one by one, as bare text between tags."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from omlx_daemon.worker.grammar.offers import Offer
from omlx_daemon.worker.grammar.rules import SPACE, Rules

_NOTES = frozenset(
    {"$comment", "$id", "$schema", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"}
)
_NAME = re.compile(r'[^<>"\s]+')
_SHARED = ("$defs", "definitions")
_OBJECT = frozenset({"type", "properties", "required", "additionalProperties", *_SHARED})


@dataclass(frozen=True, slots=True)
class Member:
    """One argument."""

    name: str
    schema: Mapping[str, Any]
    required: bool


def members(offer: Offer) -> list[Member] | None:
    """Return the arguments of a tool; None where its schema says more than what each of them is, or a name may not
    stand in a tag."""
    schema = offer.parameters
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if offer.strict and (schema.get("type") != "object" or schema.keys() - _OBJECT - _NOTES):
        return None
    if not isinstance(properties, Mapping) or not isinstance(required, list):
        return None
    shared = {key: schema[key] for key in _SHARED if key in schema}
    names = [*properties, *(name for name in required if name not in properties)]
    if not all(map(_NAME.fullmatch, names)):
        return None
    return [Member(name, _schema(properties.get(name, {}), shared), name in required) for name in names]


def bare(rules: Rules, offer: Offer, member: Member, close: str) -> str | None:
    """Return an argument's value as bare text, up to the tag that closes it, with it; None where it cannot be enforced.

    Text that reads as JSON of a type that the argument may have is of that type; any other is a string.
    """
    schema = member.schema
    spellings = _spellings(schema)
    if spellings is not None:
        return f"{SPACE}? {rules.any_of(map(rules.literal, spellings))} {SPACE}? {rules.literal(close)}"
    types = set(_types(schema))
    if types and "string" not in types:
        return f"{SPACE}? {rules.json(offer.of(schema))} {SPACE}? {rules.literal(close)}"
    if offer.strict and not _is_plain(schema):
        return None
    return rules.until(close)


def _schema(schema: object, shared: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**schema, **shared} if isinstance(schema, Mapping) else dict(shared)


def _spellings(schema: Mapping[str, Any]) -> list[str] | None:
    """Return how the values are written that a schema lists, where they are strings that may stand bare."""
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(listed, list) or not listed or schema.keys() - _NOTES - set(_SHARED) - {"type", "enum", "const"}:
        return None
    bares = all(isinstance(value, str) and value and value == value.strip() and "<" not in value for value in listed)
    return listed if bares and schema.get("type", "string") == "string" else None


def _types(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the types that a schema names, its alternatives included; nothing where it names none."""
    named = schema.get("type")
    if isinstance(named, str):
        yield named
    elif isinstance(named, list):
        yield from named
    else:
        for option in schema.get("anyOf", ()):
            yield from _types(option) if isinstance(option, Mapping) else ("string",)


def _is_plain(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema says nothing but types, so that any text is a value of it."""
    options = schema.get("anyOf", [])
    keys = schema.keys() - _NOTES - set(_SHARED)
    return keys <= {"type", "anyOf"} and all(isinstance(one, Mapping) and _is_plain(one) for one in options)
