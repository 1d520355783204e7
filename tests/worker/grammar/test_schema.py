"""Which schemas are refused, and why."""

from __future__ import annotations

import re
from typing import Any

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.worker.backend.grammar.compiler import Compiler
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.backend.tokenizer import ModelTokenizer
from omlx_daemon.worker.grammar.rules import grammar_of
from omlx_daemon.worker.grammar.schema import MAX_BYTES, Schema, enforced, preferred
from tests.worker.grammar.vocabulary import accepts, of_schema, open_compiler, open_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> ModelTokenizer:
    return open_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def compiler(tokenizer: ModelTokenizer) -> Compiler:
    return open_compiler(tokenizer)


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def pairs(count: int) -> dict[str, Any]:
    options = [{"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(count)]
    return {"type": "object", "allOf": options}


UNENFORCEABLE: dict[str, dict[str, Any]] = {
    "an unknown type": {"type": "strin"},
    "no JSON at all": {"type": "integer", "minimum": 3, "maximum": 2},
    "an endless reference": {"$ref": "#"},
    "another document": {"$ref": "https://example.invalid/schema.json"},
    "a missing reference": {"$ref": "#/$defs/none"},
    "not": {"not": {"type": "string"}},
    "if": {"if": {"type": "string"}, "then": {"maxLength": 3}},
    "uniqueItems": {"type": "array", "uniqueItems": True},
    "options that overlap": {"oneOf": [{"type": "integer"}, {"type": "number"}]},
    "an unknown format": {"type": "string", "format": "iban"},
    "a pattern that looks around": {"type": "string", "pattern": "(?=a)b"},
    "no pattern": {"type": "string", "pattern": "("},
    "draft 4's boolean": {"type": "integer", "minimum": 3, "exclusiveMinimum": True},
    "draft 3's keyword": {"type": "integer", "divisibleBy": 3},
    "draft 7's rest of a list": {"type": "array", "items": [{"type": "string"}], "additionalItems": False},
    "names that may be repeated": {"type": "object", "minProperties": 3},
    "options of the library": {"x-guidance": {"lenient": True}, "not": {"type": "object"}},
    "too large": {"enum": ["x" * MAX_BYTES]},
    "too deep": nested(110),
    "deeper than the stack": nested(20_000),
    "a huge divisor": {"type": "integer", "multipleOf": 999_983},
    "too many combinations": pairs(24),
    "too many members": {"type": "object", "properties": {f"p{n}": {"type": "integer"} for n in range(3000)}},
    "too many options": {"anyOf": [{"required": [f"p{n}"]} for n in range(3000)], "type": "object"},
}


@pytest.mark.parametrize("name", UNENFORCEABLE)
def test_what_cannot_be_enforced_is_refused_by_the_name_of_its_field(compiler: Compiler, name: str) -> None:
    with pytest.raises(OmlxError) as refused:
        compiler.compile(of_schema(UNENFORCEABLE[name]), "response_format")
    assert refused.value.body.code is Code.INVALID_REQUEST
    assert refused.value.body.param == "response_format"
    assert refused.value.body.message.startswith("response_format cannot be enforced: ")
    assert not re.search(r"\n|at \d+\(|failed to compile", refused.value.body.message)


def test_a_member_may_be_called_like_a_keyword(compiler: Compiler) -> None:
    names = ("exclusiveMinimum", "multipleOf", "minProperties", "required", "additionalItems", "properties", "extends")
    schema = {"type": "object", "properties": {name: {"type": "boolean"} for name in names}}
    compiler.compile(of_schema(schema), "response_format")


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"type": "integer"}}, "additionalProperties": {"type": "string"}},
        {"properties": {"a": {"type": "integer"}}},
        {"patternProperties": {"^a": {"type": "integer"}}},
    ],
)
def test_an_escape_is_no_way_around_a_name(
    compiler: Compiler, tokenizer: ModelTokenizer, schema: dict[str, Any]
) -> None:
    compiled = compiler.compile(of_schema({"type": "object", **schema}), "response_format")
    assert not accepts(Follower(compiled), tokenizer.encode_text('{"\\u0061":"x"}'))
    assert accepts(Follower(compiled), tokenizer.encode_text('{"b":"x"}'))


def test_a_control_character_may_be_written_where_names_are_closed(
    compiler: Compiler, tokenizer: ModelTokenizer
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    follower = Follower(compiler.compile(of_schema(schema), "response_format"))
    assert accepts(follower, tokenizer.encode_text('{"a":"\\u001b[1m"}'))


def test_what_is_only_preferred_is_loosened_and_what_is_strict_is_not(
    compiler: Compiler, tokenizer: ModelTokenizer
) -> None:
    def accepted(schema: Schema, said: str) -> bool:
        return accepts(Follower(compiler.compile(grammar_of(schema), "f")), tokenizer.encode_text(said))

    lookahead = {"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=a)b"}}, "required": ["a"]}
    ignored = {"type": "object", "properties": {"a": {"type": "integer", "not": {"const": 3}}}, "required": ["a"]}
    assert accepted(preferred(lookahead, "f"), '{"a":1}')
    assert accepted(preferred(ignored, "f"), '{"a":3}')
    assert not accepted(preferred(ignored, "f"), '{"a":"x"}')
    assert accepted(preferred(nested(20_000), "f"), '{"a":1}')
    with pytest.raises(OmlxError):
        accepted(enforced(ignored, "f"), '{"a":3}')
