"""Arguments as Gemma writes them: braces, bare keys in the alphabet's order, strings between marks of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from omlx_daemon.worker.grammar.members import NOTES, SHARED, in_a_row, is_names
from omlx_daemon.worker.grammar.offers import Offer
from omlx_daemon.worker.grammar.rules import SPACE, Rules
from omlx_daemon.worker.grammar.schema import refused

_KEY = re.compile(r'[^:,{}\[\]<>"\s]+')
_ANY_KEY = r'/[^:,{}\[\]<>"\s]{1,64}/'
_RANGES = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
_KEYWORDS: dict[str, frozenset[str]] = {
    "object": frozenset({"properties", "required", "additionalProperties"}),
    "array": frozenset({"items", "minItems", "maxItems"}),
    "number": _RANGES,
    "integer": _RANGES,
    "string": frozenset(),
    "boolean": frozenset(),
    "null": frozenset(),
}
"""What can be said of each type."""
_MAX_ITEMS = 1000
_PYTHON = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
Refs = frozenset[str]
"""The references that were followed since the last brace: one that leads to itself has no value."""


class Braces:
    """The values of one tool's arguments, as expressions. Its methods raise OmlxError where it is strict in vain."""

    def __init__(self, rules: Rules, offer: Offer, quote: str) -> None:
        self._rules, self._offer, self._quote = rules, offer, quote
        self._string = rules.all_of(rules.literal(quote), rules.until(quote))
        self._free = ""
        """The rule of any value, once it is needed."""
        self._named: dict[str, str] = {}

    def arguments(self) -> str:
        """Return all arguments."""
        schema = self._offer.fit
        target = self._target(schema.get("$ref"))
        if isinstance(target, Mapping) and target.get("type") == "object":
            schema = {key: value for key, value in schema.items() if key != "type"}
        if target is not None or schema.get("type") == "object":
            return self._value(schema, frozenset())
        return self._otherwise("its type is not object", {"type": "object"})

    def _value(self, schema: object, refs: Refs) -> str:
        if not isinstance(schema, Mapping):
            return self._anything() if schema is True else self._otherwise("it allows nothing")
        keys = schema.keys() - NOTES - set(SHARED)
        if not keys:
            return self._anything()
        if keys == {"$ref"}:
            return self._referred(schema["$ref"], refs)
        if keys == {"anyOf"} and schema["anyOf"] and isinstance(schema["anyOf"], list):
            return self._rules.any_of(self._value(option, refs) for option in schema["anyOf"])
        if keys & {"const", "enum"}:
            return self._listed(schema, keys)
        kinds = _kinds(schema)
        known = frozenset({"type"}).union(*(_KEYWORDS.get(kind, ()) for kind in kinds))
        if not kinds or not _KEYWORDS.keys() >= set(kinds) or keys - known:
            unknown = ", ".join(sorted(keys - known)) or "its type"
            return self._otherwise(f"this model's way to write values allows no {unknown}", _only_type(schema, kinds))
        return self._rules.any_of(self._of_kind(kind, schema) for kind in kinds)

    def _of_kind(self, kind: str, schema: Mapping[str, Any]) -> str:
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return self._array(schema)
            case "string":
                return self._string
            case _:
                said = {key: schema[key] for key in _KEYWORDS[kind] & schema.keys()}
                return self._rules.json(self._offer.of({"type": kind, **said}))

    def _object(self, schema: Mapping[str, Any]) -> str:
        given, required = schema.get("properties", {}), schema.get("required", [])
        if not isinstance(given, Mapping) or not is_names(required):
            return self._otherwise("properties has to be an object and required a list of names", {"type": "object"})
        names = _in_order({**given, **dict.fromkeys(required)})
        if unfit := [name for name in names if not _KEY.fullmatch(name)]:
            return self._otherwise(f"this model cannot write the name {unfit[0]!r}", {"type": "object"})
        if not names:
            further = schema.get("additionalProperties", True)
            return self._braced("" if further is False else self._repeated(self._pair(_ANY_KEY, further), 0, None))
        literal = self._rules.literal
        pairs = [(self._pair(literal(name), given.get(name, True)), name in required) for name in names]
        return self._braced(in_a_row(self._rules, pairs))

    def _array(self, schema: Mapping[str, Any]) -> str:
        fewest, most = schema.get("minItems", 0), schema.get("maxItems")
        bounds = [fewest] if most is None else [fewest, most]
        if not all(isinstance(bound, int) and 0 <= bound <= _MAX_ITEMS for bound in bounds):
            return self._otherwise(f"a list is bounded by no number up to {_MAX_ITEMS}", {"type": "array"})
        if most is not None and most < fewest:
            return self._otherwise("minItems is more than maxItems", {"type": "array"})
        items = "" if most == 0 else self._repeated(self._value(schema.get("items", True), frozenset()), fewest, most)
        return self._rules.all_of(self._rules.literal("["), f"{SPACE}?", items, f"{SPACE}?", self._rules.literal("]"))

    def _pair(self, key: str, schema: object) -> str:
        return self._rules.all_of(key, self._rules.literal(":"), f"{SPACE}?", self._value(schema, frozenset()))

    def _braced(self, inner: str) -> str:
        return self._rules.all_of(self._rules.literal("{"), f"{SPACE}?", inner, f"{SPACE}?", self._rules.literal("}"))

    def _repeated(self, one: str, fewest: int, most: int | None) -> str:
        """Return from `fewest` to `most` of `one`, commas between them; no `most` is no bound."""
        more = self._rules.all_of(self._rules.literal(","), f"{SPACE}?", one)
        counts = f"{max(fewest, 1) - 1},{'' if most is None else most - 1}"
        row = one if most == 1 else self._rules.all_of(one, f"{more}{{{counts}}}")
        return row if fewest else f"({row})?"

    def _referred(self, path: object, refs: Refs) -> str:
        target = self._target(path)
        if target is None or path in refs:
            return self._otherwise("$ref leads nowhere")
        name = str(path)
        if name not in self._named:
            self._rules.recursive(lambda rule: self._named_as(name, rule, target, refs | {name}))
        return self._named[name]

    def _named_as(self, name: str, rule: str, target: object, refs: Refs) -> str:
        self._named[name] = rule
        return self._value(target, refs)

    def _target(self, path: object) -> object:
        """Return what a reference stands for; None where there is nothing, or where it is no plain one."""
        parts = path.split("/") if isinstance(path, str) else []
        shared = self._offer.fit.get(parts[1]) if len(parts) == 3 and parts[0] == "#" and parts[1] in SHARED else None
        return shared.get(parts[2]) if isinstance(shared, Mapping) else None

    def _listed(self, schema: Mapping[str, Any], keys: set[str]) -> str:
        values = [schema["const"]] if "const" in keys else schema["enum"]
        kinds = _kinds(schema)
        if keys - {"type", "enum", "const"} or {"enum", "const"} <= keys or not isinstance(values, list):
            return self._otherwise("this model writes a listed value as it is", _only_type(schema, kinds))
        fit = [value for value in values if not kinds or any(_is_a(value, kind) for kind in kinds)]
        try:
            spelled = [self._rules.literal(self._spelled(value)) for value in fit]
        except ValueError:
            spelled = []
        if not spelled:
            return self._otherwise("this model cannot write one of the listed values", _only_type(schema, kinds))
        return self._rules.any_of(spelled)

    def _spelled(self, value: object) -> str:
        """Return a listed value as it is written. Raises ValueError where it cannot be."""
        match value:
            case dict():
                pairs = (f"{_named(key)}:{self._spelled(value[key])}" for key in _in_order(value))
                return f"{{{','.join(pairs)}}}"
            case list():
                return f"[{','.join(map(self._spelled, value))}]"
            case str() if self._quote in value:
                raise ValueError(value)
            case str():
                return f"{self._quote}{value}{self._quote}"
            case _:
                return json.dumps(value)

    def _anything(self) -> str:
        """Return any value."""
        if not self._free:
            self._rules.recursive(self._free_as)
        return self._free

    def _free_as(self, rule: str) -> str:
        self._free = rule
        words = (self._rules.literal(word) for word in ("true", "false", "null"))
        number = self._rules.json(self._offer.of({"type": "number"}))
        return self._rules.any_of((self._string, number, *words, self._array({}), self._object({})))

    def _otherwise(self, reason: str, instead: object = True) -> str:
        """Return what is kept to where the schema cannot be. Raises OmlxError where it has to be."""
        if self._offer.strict:
            raise refused(reason, self._offer.field)
        return self._value(instead, frozenset())


def _in_order(names: Iterable[str]) -> list[str]:
    """Return names as Gemma's templates sort them: a call is then written as the next prompt repeats it."""
    return sorted(names, key=str.lower)


def _named(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError(key)
    return key


def _kinds(schema: Mapping[str, Any]) -> Sequence[str]:
    """Return the types that a schema names, or that its keywords are about; nothing where there are none."""
    named = schema.get("type")
    if named is None:
        return [kind for kind in ("object", "array") if _KEYWORDS[kind] & schema.keys()]
    kinds = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return [str(kind) for kind in kinds]


def _only_type(schema: Mapping[str, Any], kinds: Sequence[str]) -> object:
    return {"type": list(kinds)} if kinds and _KEYWORDS.keys() >= set(kinds) else True


def _is_a(value: object, kind: str) -> bool:
    if kind in ("number", "integer"):
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return not isinstance(value, bool) and (whole or (kind == "number" and isinstance(value, float)))
    return isinstance(value, _PYTHON.get(kind, ()))
