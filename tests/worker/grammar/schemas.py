"""Random JSON schemas, of what grammars enforce."""

from __future__ import annotations

from random import Random
from typing import Any

Schema = dict[str, Any]
_NAMES = ("id", "name", "größe", "is ok", "a/b", 'q"uote', "list", "x", "new\nline", "価格")
_WORDS = ("red", "green", "blue gray", "ünï", 'say "hi"', "", "back\\slash", "tab\t")
_PATTERNS = ("^[a-z]{1,6}$", "^(yes|no)$", "^[0-9]{2}", "^\\d{4}-\\d{2}$", "^[^x]{0,5}$", "^#[0-9A-F]{6}$")
_FORMATS = ("date", "date-time", "time", "uuid", "ipv4", "ipv6", "email", "duration", "hostname")


def random_schema(random: Random) -> Schema:
    """Return the schema of an object, as clients ask for one."""
    if random.random() < 0.15:
        return _recursive(random)
    schema = _object(random, 3)
    if random.random() < 0.2:
        schema["$defs"] = {"part": _value(random, 1)}
        schema["properties"]["part"] = {"$ref": "#/$defs/part"}
        schema["required"] = [*schema["required"], "part"]
    return schema


def _value(random: Random, depth: int) -> Schema:
    kinds = [_string, _number, _integer, _listed, _simple]
    nested = [_object, _array, _options] if depth else []
    return random.choice([*kinds, *nested])(random, depth)


def _string(random: Random, depth: int) -> Schema:
    shape = random.randrange(4)
    if shape == 0:
        return {"type": "string", "pattern": random.choice(_PATTERNS)}
    if shape == 1:
        return {"type": "string", "format": random.choice(_FORMATS)}
    least = random.randrange(4)
    return {"type": "string", "minLength": least, "maxLength": least + random.randrange(12)}


def _integer(random: Random, depth: int) -> Schema:
    schema: Schema = {"type": "integer"}
    if random.random() < 0.5:
        schema["minimum"] = random.randrange(-1000, 1000)
        schema["maximum"] = schema["minimum"] + random.randrange(2000)
    elif random.random() < 0.5:
        schema |= {"multipleOf": random.choice((2, 5, 7, 100)), "minimum": 0, "maximum": 100_000}
    return schema


def _number(random: Random, depth: int) -> Schema:
    schema: Schema = {"type": "number"}
    if random.random() < 0.6:
        low = round(random.uniform(-10, 10), 2)
        schema["minimum" if random.random() < 0.5 else "exclusiveMinimum"] = low
        schema["maximum" if random.random() < 0.5 else "exclusiveMaximum"] = low + random.randrange(1, 50)
    return schema


def _listed(random: Random, depth: int) -> Schema:
    if random.random() < 0.3:
        return {"const": random.choice([*_WORDS, 7, 1.5, None, True, {"a": [1, "b"]}])}
    return {"enum": random.sample([*_WORDS, 1, -2.5, None, False], random.randrange(1, 6))}


def _simple(random: Random, depth: int) -> Schema:
    return random.choice([{"type": "boolean"}, {"type": "null"}, {"type": ["integer", "null"]}])


def _object(random: Random, depth: int) -> Schema:
    names = random.sample(_NAMES, random.randrange(1, 5))
    schema: Schema = {
        "type": "object",
        "properties": {name: _value(random, depth - 1) for name in names},
        "required": random.sample(names, random.randrange(len(names) + 1)),
        "additionalProperties": False,
    }
    if random.random() < 0.25:
        schema["additionalProperties"] = _value(random, 0)
    return schema


def _array(random: Random, depth: int) -> Schema:
    least = random.randrange(3)
    schema: Schema = {"type": "array", "items": _value(random, depth - 1), "minItems": least}
    schema["maxItems"] = least + random.randrange(4)
    if random.random() < 0.2:
        schema["prefixItems"] = [_value(random, 0), _value(random, 0)]
    return schema


def _options(random: Random, depth: int) -> Schema:
    if random.random() < 0.3:
        parts = [{**_object(random, 0), "additionalProperties": True} for _ in range(1)]
        return {"allOf": [{"type": "object", "properties": {"kind": {"const": "k"}}, "required": ["kind"]}, *parts]}
    return {"anyOf": [_value(random, depth - 1) for _ in range(random.randrange(2, 4))]}


def _recursive(random: Random) -> Schema:
    node: Schema = {
        "type": "object",
        "properties": {
            "value": _value(random, 0),
            "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
        },
        "required": ["value", "next"],
        "additionalProperties": False,
    }
    return {"$defs": {"node": node}, "$ref": "#/$defs/node"}
