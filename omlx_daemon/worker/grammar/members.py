"""Arguments that a format writes one by one: as bare text between tags, or as literals of Python."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from omlx_daemon.worker.grammar.offers import Offer
from omlx_daemon.worker.grammar.rules import SPACE, Rules
from omlx_daemon.worker.grammar.schema import refused

NOTES = frozenset(
    {"$comment", "$id", "$schema", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"}
)
_NAME = re.compile(r'[^<>"\s]+')
_BREAK = "\n"
_WORDS = {"boolean": ("True", "False"), "null": ("None",)}
SHARED = ("$defs", "definitions")
_OBJECT = frozenset({"type", "properties", "required", "additionalProperties", *SHARED})


@dataclass(frozen=True, slots=True)
class Member:
    """One argument."""

    name: str
    schema: Mapping[str, Any]
    required: bool


def members(offer: Offer) -> list[Member]:
    """Return the arguments of a tool.

    Raises OmlxError(INVALID_REQUEST) where its schema says more than what each of them is, or one has a name that may
    not stand in a tag.
    """
    schema = offer.fit
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if offer.strict and (schema.get("type") != "object" or schema.keys() - _OBJECT - NOTES):
        raise refused("this model writes one argument after the other, so it has to list them and no more", offer.field)
    if not isinstance(properties, Mapping) or not is_names(required):
        raise refused("properties has to be an object and required a list of names", offer.field)
    shared = {key: schema[key] for key in SHARED if key in schema}
    names = [*properties, *(name for name in required if name not in properties)]
    if unfit := [name for name in names if not _NAME.fullmatch(name)]:
        raise refused(f"this model cannot write the name {unfit[0]!r}", offer.field)
    return [Member(name, _schema(properties.get(name, {}), shared), name in required) for name in names]


def is_names(value: object) -> bool:
    """Tell whether a value is a list of texts."""
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


class Bare(NamedTuple):
    """A value's expression, with the tag that closes it, and whether it is JSON."""

    value: str
    is_json: bool = False


def bare(rules: Rules, offer: Offer, member: Member, close: str, *, padded: bool = False) -> Bare:
    """Return an argument's value as bare text up to the tag that closes it.

    Text that reads as JSON of a type that the argument may have is of that type; any other is a string. Where it is
    `padded`, line breaks beside it are no part of it. Raises OmlxError(INVALID_REQUEST) where it cannot be enforced.
    """
    schema, ending = member.schema, rules.literal(close)
    spellings = _spellings(schema)
    if spellings is not None:
        pad = f"{rules.literal(_BREAK)}?" if padded else ""
        return Bare(f"{pad} {rules.any_of(map(rules.literal, spellings))} {pad} {ending}")
    types = set(_types(schema))
    if types and "string" not in types:
        return Bare(f"{SPACE}? {rules.json(offer.of(schema))} {SPACE}? {ending}", is_json=True)
    if offer.strict and not _is_plain(schema):
        raise refused(f"this model writes {member.name!r} as bare text, which can only be of a type", offer.field)
    return Bare(rules.until(close))


def in_a_row(rules: Rules, written: Sequence[tuple[str, bool]]) -> str:
    """Return expressions one after the other, a comma between two; one that is not required may be left out."""
    first = further = '""'
    for expression, is_required in reversed(written):
        here = rules.all_of(expression, further)
        after = rules.all_of(rules.literal(","), f"{SPACE}?", here)
        if not is_required:
            here, after = rules.any_of((here, first)), rules.any_of((after, further))
        first, further = here, after
    return first


def literal(rules: Rules, offer: Offer, member: Member) -> str:
    """Return an argument's value as a literal: JSON, whose words may be spelled as Python spells them.

    Inside a list or an object they are JSON's. Raises OmlxError(INVALID_REQUEST) where it cannot be enforced.
    """
    value, types = rules.json(offer.of(member.schema)), set(_types(member.schema))
    if not _is_plain(member.schema):
        return value
    words = [word for kind, spelled in _WORDS.items() if kind in types or not types for word in spelled]
    return rules.any_of((value, *map(rules.literal, words)))


def _schema(schema: object, shared: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(schema, Mapping):
        return {}
    return {**schema, **shared} if '"$ref"' in json.dumps(schema) else schema


def _spellings(schema: Mapping[str, Any]) -> list[str] | None:
    """Return how the values are written that a schema lists, where they are strings that may stand bare."""
    listed = [schema["const"]] if "const" in schema else schema.get("enum")
    if not isinstance(listed, list) or not listed or schema.keys() - NOTES - set(SHARED) - {"type", "enum", "const"}:
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
    keys = schema.keys() - NOTES - set(SHARED)
    return keys <= {"type", "anyOf"} and all(isinstance(one, Mapping) and _is_plain(one) for one in options)
