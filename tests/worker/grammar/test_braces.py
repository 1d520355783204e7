"""Calls with arguments between braces, as Gemma writes them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import jsonschema
import pytest
from jinja2.filters import do_dictsort

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import ToolMode
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.grammar.answers import wanted
from tests.worker.grammar.calling import Model, model_of, request, tool
from tests.worker.grammar.schemas import random_schema
from tests.worker.grammar.vocabulary import accepts

NAMES = ["gemma4", "function_gemma"]
QUOTES = {"gemma4": '<|"|>', "function_gemma": "<escape>"}
_OF_TEXTS = ("pattern", "format", "minLength", "maxLength")
_NO_NAME = re.compile(r'[ "\n]')
CHOSEN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": ["boolean", "null"]},
        "b": {"type": "string", "description": "Some text."},
        "c": {"enum": [True, 2, "x y", {"k": [None, "v"]}]},
        "d": {"type": "array", "items": {"type": "integer", "minimum": 3}, "minItems": 1, "maxItems": 3},
        "e": {"anyOf": [{"const": "z"}, {"$ref": "#/$defs/tree"}]},
        "f": {"type": "object", "additionalProperties": {"type": "number"}},
    },
    "required": ["b"],
    "additionalProperties": False,
    "$defs": {
        "tree": {
            "type": "object",
            "properties": {"left": {"$ref": "#/$defs/tree"}, "value": {"type": "integer"}},
            "required": ["value"],
            "additionalProperties": False,
        }
    },
}


def of(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an object with one member."""
    return {"type": "object", "properties": {"a": schema}, "required": ["a"], "additionalProperties": False}


def answers(model: Model, parameters: dict[str, Any], count: int, *, strict: bool = True) -> list[dict[str, Any]]:
    """Return the arguments of random calls, as they are read."""
    found = []
    for seed in range(count):
        asked = request(ToolMode.REQUIRED, tools=(tool("f", parameters, strict=strict),), parallel=False)
        said = model.said(asked, seed)
        assert not said.warnings
        (call,) = said.of("call")
        found.append(json.loads(call.removeprefix("f ")))
    return found


def unbound(schema: Any) -> Any:
    """Return a schema with nothing said of texts and names that these models cannot be held to."""
    if isinstance(schema, list):
        return [unbound(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {_NO_NAME.sub("_", key): unbound(value) for key, value in schema.items() if key not in _OF_TEXTS}
    return kept | ({"required": [_NO_NAME.sub("_", name) for name in kept["required"]]} if "required" in kept else {})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("written", "is_allowed"),
    [
        ("f{b:'x'}", True),
        ("f{b:''}", True),
        ("f{b:'\"}, [\\n\" é'}", True),
        ("f{a:true,b:'x',c:2,d:[3,40],e:'z',f:{k:1.5,l:-2}}", True),
        ("f{a:null, b: 'x', c:'x y', d:[3, 4, 5]}", True),
        ("f{b:'x',c:{k:[null,'v']}}", True),
        ("f{b:'x',e:{left:{left:{value:1},value:2},value:3},f:{}}", True),
        ("f{b:'x',f:{Content-Type:1,größe/2:2}}", True),
        ("now{}", True),
        ("f{}", False),
        ("g{}", False),
        ("f{a:true}", False),
        ("f{b:x}", False),
        ('f{b:"x"}', False),
        ("f{b:'x',}", False),
        ("f{,b:'x'}", False),
        ("f{b:'x' c:2}", False),
        ("f{b:'x',a:true}", False),
        ("f{b:'x',b:'y'}", False),
        ("f{'b':'x'}", False),
        ("f{b:1}", False),
        ("f{a:True,b:'x'}", False),
        ("f{b:'x',c:3}", False),
        ("f{b:'x',c:'x'}", False),
        ("f{b:'x',d:[]}", False),
        ("f{b:'x',d:[2]}", False),
        ("f{b:'x',d:[3,4,5,6]}", False),
        ("f{b:'x',d:[3.5]}", False),
        ("f{b:'x',e:{left:{},value:3}}", False),
        ("f{b:'x',e:{value:3,left:{value:1}}}", False),
        ("f{b:'x',f:{k:'y'}}", False),
        ("f{b:'x',f:{a b:1}}", False),
        ("f{b:'x',f:{:1}}", False),
        ("f{b:'x',g:1}", False),
        ("now{a:1}", False),
        ("f{b:'x'", False),
    ],
)
def test_what_is_written_between_braces(name: str, written: str, is_allowed: bool, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    found = wanted(
        request(ToolMode.REQUIRED, tools=(tool("f", CHOSEN), tool("now", None))), model.style, model.compiler.markers
    )
    assert found is not None
    assert model.style.tools is not None
    text = f"{model.style.tools.start}call:{written}{model.style.tools.end}".replace("'", QUOTES[name])
    assert accepts(Follower(model.compiler.compile(*found)), model.tokenizer.encode_text(text)) is is_allowed


def in_order(value: Any) -> bool:
    """Tell whether members stand as a template's `dictsort` has them, inside of each other too."""
    if not isinstance(value, dict):
        return True
    return [*value.items()] == do_dictsort(value) and all(map(in_order, value.values()))


@pytest.mark.parametrize("name", NAMES)
def test_members_stand_in_the_order_in_which_a_template_repeats_them(name: str, tmp_path: Path) -> None:
    nothing = {"type": "null"}
    properties = {
        "q": {**of(nothing), "properties": {"z": nothing, "Y": nothing, "a": nothing}},
        "Limit": nothing,
        "from": {"const": {"b": {"z": 1, "Y": 2}, "A": None}},
        "limit": nothing,
    }
    schema = {"type": "object", "properties": properties, "required": ["q"], "additionalProperties": False}
    found = answers(model_of(name, tmp_path), schema, 30)
    assert len({*map(tuple, found)}) > 4
    assert all(map(in_order, found))
    assert {len(arguments["q"]) for arguments in found} == {1, 2, 3}


@pytest.mark.parametrize("tokens", [True, False], ids=["tokens", "text"])
@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_a_schema_is_kept_to(name: str, tokens: bool, tmp_path: Path) -> None:
    model, all_of_it = model_of(name, tmp_path, tokens=tokens), {**CHOSEN, "required": [*CHOSEN["properties"]]}
    found = [*answers(model, CHOSEN, 20), *answers(model, all_of_it, 20)]
    validator: Any = jsonschema.Draft202012Validator(CHOSEN)
    for arguments in found:
        validator.validate(arguments)
    assert {type(arguments["e"]) for arguments in found if "e" in arguments} == {str, dict}
    assert {type(arguments["c"]) for arguments in found if "c" in arguments} == {str, int, bool, dict}
    assert {len(arguments["d"]) for arguments in found if "d" in arguments} > {1}


@pytest.mark.parametrize("name", NAMES)
def test_random_schemas_are_kept_to_or_refused(name: str, tmp_path: Path) -> None:
    model, kept, refused = model_of(name, tmp_path), 0, 0
    for seed in range(150):
        schema = random_schema(Random(seed)) if seed % 3 == 0 else unbound(random_schema(Random(seed)))
        validator: Any = jsonschema.Draft202012Validator(schema)
        try:
            for arguments in answers(model, schema, 2):
                validator.validate(arguments)
            kept += 1
        except OmlxError as error:
            assert error.body.code is Code.INVALID_REQUEST
            assert error.body.param == "tools[0].function.parameters"
            refused += 1
        for arguments in answers(model, schema, 1, strict=False):
            assert isinstance(arguments, dict)
            names = {*schema.get("required", ()), *schema.get("properties", ())}
            if names and not any(set(' "\n') & set(name) for name in names):
                assert set(schema.get("required", ())) <= arguments.keys() <= names
    assert min(kept, refused) > 40


@pytest.mark.parametrize(
    "schema",
    [
        of({"type": "string", "pattern": "^a"}),
        of({"type": "string", "minLength": 2}),
        of({"oneOf": [{"type": "string"}, {"type": "null"}]}),
        of({"allOf": [{"type": "string"}]}),
        of({"anyOf": []}),
        of({"type": "array", "prefixItems": [{"type": "string"}]}),
        of({"type": "array", "uniqueItems": True}),
        of({"type": "array", "minItems": 2, "maxItems": 1}),
        of({"type": "array", "maxItems": 10**9}),
        of({"type": "array", "minItems": None}),
        of({"type": "array", "items": False}),
        of({"enum": []}),
        of({"enum": [1], "type": "string"}),
        of({"enum": [{"b": 1}, {"b c": 1}]}),
        {"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"},
        of({"const": 'a <|"|> b <escape>'}),
        of({"$ref": "#/$defs/none"}),
        of({"$ref": ["x"]}),
        of({"$ref": "https://example.org/schema"}),
        of({"type": "spoon"}),
        of({"type": []}),
        of({"type": "object", "patternProperties": {"^a": {}}}),
        of({"type": "object", "properties": {"a:b": {}}}),
        of({"type": "object", "properties": []}),
        of({"type": "object", "required": [1, []]}),
        {**of({"$ref": "#/$defs/a"}), "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {**of({"$ref": "#/$defs/a"}), "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"$ref": "#/$defs/a"}}},
        {**of({}), "minProperties": 1},
        {"type": "array"},
        {"type": "object", "properties": {"a b": {}}},
    ],
)
def test_what_cannot_be_kept_to_is_refused_where_it_is_strict_and_left_out_where_it_is_not(
    schema: dict[str, Any], tmp_path: Path
) -> None:
    model = model_of("gemma4", tmp_path)
    with pytest.raises(OmlxError) as refused:
        answers(model, schema, 1)
    assert refused.value.body.param == "tools[0].function.parameters"
    asked = request(ToolMode.REQUIRED, tools=(tool("f", schema, strict=False),), parallel=False)
    found = wanted(asked, model.style, model.compiler.markers)
    assert found is not None
    assert model.style.tools is not None
    follower = Follower(model.compiler.compile(*found))
    for token in model.tokenizer.encode_text(f"{model.style.tools.start}call:f{{"):
        assert follower.allowed()[token]
        follower.take(token)


def test_a_name_that_no_call_can_be_written_with_is_refused(tmp_path: Path) -> None:
    style = model_of("gemma4", tmp_path).style
    with pytest.raises(OmlxError) as refused:
        wanted(request(ToolMode.REQUIRED, tools=(tool("a{b", None, strict=False),)), style, {})
    assert "cannot write the name" in refused.value.body.message


@pytest.mark.parametrize("name", ["qwen3_coder", "pythonic"])
def test_required_names_that_are_none_are_refused_elsewhere_too(name: str, tmp_path: Path) -> None:
    style = model_of(name, tmp_path).style
    with pytest.raises(OmlxError) as refused:
        wanted(request(ToolMode.REQUIRED, tools=(tool("f", {"type": "object", "required": [1]}),)), style, {})
    assert refused.value.body.param == "tools[0].function.parameters"
