"""Calls in the ways of the models: what a grammar allows, the format's own reader reads, and it is what was offered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import GenerationRequest, ResponseFormat, ToolMode
from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.grammar.answers import wanted
from omlx_daemon.worker.parsing.style import style_of
from tests.parsing.splitting import Said
from tests.worker.grammar.calling import MARKERS, OTHERS, SCHEMAS, WEATHER, model_of, request, tool
from tests.worker.models import END


def check_calls(found: Said) -> list[str]:
    """Validate every call; return their names."""
    assert not found.warnings
    names = []
    for call in found.of("call"):
        name, _, arguments = call.partition(" ")
        validator: Any = jsonschema.Draft202012Validator(SCHEMAS[name])
        validator.validate(json.loads(arguments))
        names.append(name)
    return names


def check_weather(found: Said) -> None:
    """Validate an answer that is JSON."""
    validator: Any = jsonschema.Draft202012Validator(WEATHER)
    validator.validate(json.loads("".join(found.of("text"))))
    assert not found.of("call")


@pytest.mark.parametrize("tokens", [True, False], ids=["tokens", "text"])
@pytest.mark.parametrize("name", MARKERS)
def test_required_calls_are_calls_of_what_was_offered_and_nothing_else(name: str, tokens: bool, tmp_path: Path) -> None:
    model, called = model_of(name, tmp_path, tokens=tokens), []
    for seed in range(12):
        found = model.said(request(ToolMode.REQUIRED), seed)
        names = check_calls(found)
        assert names
        assert not "".join(found.of("text")).strip()
        called.append(names)
    assert {name for names in called for name in names} == {"get_weather", "now"}
    assert max(map(len, called)) > 1 or name == "harmony"


@pytest.mark.parametrize("name", MARKERS)
def test_without_parallel_calls_there_is_one(name: str, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    for seed in range(6):
        assert len(check_calls(model.said(request(ToolMode.REQUIRED, parallel=False), seed))) == 1


@pytest.mark.parametrize("name", MARKERS)
def test_a_named_choice_calls_that_tool(name: str, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    for seed in range(4):
        assert set(check_calls(model.said(request(ToolMode.NAMED, "now"), seed))) == {"now"}


@pytest.mark.parametrize("tokens", [True, False], ids=["tokens", "text"])
@pytest.mark.parametrize("name", MARKERS)
def test_where_a_call_may_be_made_a_strict_one_is_enforced(name: str, tokens: bool, tmp_path: Path) -> None:
    model = model_of(name, tmp_path, tokens=tokens)
    found = wanted(request(ToolMode.AUTO), model.style, model.compiler.markers)
    assert found is not None
    assert found.field == "tools[0].function.parameters"
    compiled = model.compiler.compile(*found)
    start = model.style.tools.start if model.style.tools else ""
    text = "<|channel|>final<|message|>" if name == "harmony" else ""
    free, bound = Follower(compiled), Follower(compiled)
    for token in model.tokenizer.encode_text(f"{text}So be it: 1 < 2, [x] {{y}}"):
        assert free.allowed()[token]
        free.take(token)
    assert free.allowed()[END]
    for token in model.tokenizer.encode_text(start):
        assert bound.allowed()[token]
        bound.take(token)
    assert not bound.allowed()[END]
    assert not bound.allowed()[model.tokenizer.encode_text("~")[0]]


@pytest.mark.parametrize("name", ["json_tools", "qwen3_coder"])
@pytest.mark.parametrize("tokens", [True, False], ids=["tokens", "text"])
def test_reasoning_comes_before_what_is_enforced(name: str, tokens: bool, tmp_path: Path) -> None:
    model = model_of(name, tmp_path, tokens=tokens, reasoning="think")
    thought = 0
    for seed in range(8):
        open_found = model.said(request(ToolMode.REQUIRED), seed)
        inside_found = model.said(request(ToolMode.REQUIRED), seed, inside=True)
        assert check_calls(open_found)
        assert check_calls(inside_found)
        assert [kind for kind, _ in inside_found.parts if kind == "text"] == []
        thought += bool(open_found.of("reasoning"))
    assert thought > 0
    assert inside_found.of("reasoning")


def test_json_comes_after_reasoning(tmp_path: Path) -> None:
    wish = ResponseFormat(schema=WEATHER)
    for seed in range(6):
        model = model_of("json_tools", tmp_path, reasoning="think")
        found = model.said(request(ToolMode.NONE, response_format=wish), seed, inside=True)
        check_weather(found)


def test_harmony_puts_json_into_its_final_message(tmp_path: Path) -> None:
    model = model_of("harmony", tmp_path)
    for seed in range(6):
        found = model.said(request(ToolMode.NONE, response_format=ResponseFormat(schema=WEATHER)), seed)
        check_weather(found)


def test_an_answer_may_be_json_or_calls(tmp_path: Path) -> None:
    model, kinds = model_of("json_tools", tmp_path), set()
    wish = ResponseFormat(schema={"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False})
    for seed in range(16):
        found = model.said(request(ToolMode.AUTO, response_format=wish), seed)
        check_calls(found)
        kinds |= {kind for kind, _ in found.parts}
        assert found.of("call") or isinstance(json.loads("".join(found.of("text"))), dict)
    assert kinds == {"text", "call"}


@pytest.mark.parametrize("name", ["json_tools", "qwen3_coder", "kimi_k2", "pythonic"])
def test_what_is_not_strict_is_kept_to_as_far_as_it_goes(name: str, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    unsupported = {**WEATHER, "not": {"required": ["fog"]}, "properties": {**WEATHER["properties"], "x": {"not": {}}}}
    offered = (tool("get_weather", unsupported, strict=False),)
    for seed in range(4):
        assert check_names(model.said(request(ToolMode.REQUIRED, tools=offered), seed)) == {"get_weather"}
    with pytest.raises(OmlxError) as refused:
        model.answer(request(ToolMode.REQUIRED, tools=(tool("now", None), tool("get_weather", unsupported))), 0)
    assert refused.value.body.code is Code.INVALID_REQUEST
    assert refused.value.body.param == "tools[1].function.parameters"


@pytest.mark.parametrize("name", ["json_tools", "qwen3_coder"])
def test_a_tool_whose_arguments_are_beyond_measure_is_refused_where_it_is_strict(name: str, tmp_path: Path) -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(900):
        deep = {"anyOf": [deep]}
    schema = {"type": "object", "properties": {"a": deep}, "required": ["a"]}
    model = model_of(name, tmp_path)
    assert check_names(model.said(request(ToolMode.REQUIRED, tools=(tool("free", schema, strict=False),)), 1))
    with pytest.raises(OmlxError) as refused:
        model.answer(request(ToolMode.REQUIRED, tools=(tool("free", schema),)), 1)
    assert refused.value.body.param == "tools[0].function.parameters"


def check_names(found: Said) -> set[str]:
    assert not found.warnings
    assert all(isinstance(json.loads(call.partition(" ")[2]), dict) for call in found.of("call"))
    return {call.partition(" ")[0] for call in found.of("call")}


@pytest.mark.parametrize("name", [*OTHERS, ""])
def test_a_way_to_call_that_allows_no_grammar_is_told(name: str, tmp_path: Path) -> None:
    model = model_of(name, tmp_path)
    for asked, field in (
        (request(ToolMode.REQUIRED, tools=(tool("now", None, strict=False),)), "tool_choice"),
        (request(ToolMode.NAMED, "now", tools=(tool("now", None, strict=False),)), "tool_choice"),
        (request(ToolMode.AUTO), "tools[0].function.parameters"),
    ):
        with pytest.raises(OmlxError) as refused:
            wanted(asked, model.style, model.compiler.markers)
        assert refused.value.body.code is Code.INVALID_REQUEST
        assert refused.value.body.param == field
    assert wanted(request(ToolMode.AUTO, tools=(tool("now", None, strict=False),)), model.style, {}) is None


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (request(ToolMode.NAMED, "nobody"), "tool_choice"),
        (request(ToolMode.REQUIRED, tools=()), "tool_choice"),
    ],
)
def test_a_choice_that_no_tool_satisfies_is_refused(asked: GenerationRequest, field: str, tmp_path: Path) -> None:
    with pytest.raises(OmlxError) as refused:
        wanted(asked, model_of("json_tools", tmp_path).style, {})
    assert refused.value.body.code is Code.INVALID_REQUEST
    assert refused.value.body.param == field


def test_answers_that_nothing_is_asked_of_are_free(tmp_path: Path) -> None:
    style = model_of("json_tools", tmp_path).style
    loose = (tool("now", None, strict=False),)
    for asked in (
        request(ToolMode.AUTO, tools=loose),
        request(ToolMode.AUTO, tools=loose, parallel=False),
        request(ToolMode.NONE),
        request(ToolMode.AUTO, tools=()),
    ):
        assert wanted(asked, style, {}) is None


@pytest.mark.parametrize("name", ["pythonic", "gemma4", "function_gemma", "qwen3_coder", "json_tools"])
@pytest.mark.parametrize(
    ("schema", "kinds"),
    [
        ({"type": "integer", "minimum": 3, "maximum": 1}, (int,)),
        ({"type": ["integer", "null"], "minimum": 3, "maximum": 1}, (int, type(None))),
        ({"type": "string", "pattern": "^(?=x)y"}, (str,)),
        ({"type": "array", "items": {"type": "string", "pattern": "^(?=x)y"}}, (list,)),
    ],
)
def test_an_argument_that_cannot_be_kept_to_is_of_its_type_all_the_same(
    name: str, schema: dict[str, Any], kinds: tuple[type, ...], tmp_path: Path
) -> None:
    model = model_of(name, tmp_path)
    parameters = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    asked = request(ToolMode.REQUIRED, tools=(tool("f", parameters, strict=False),), parallel=False)
    for seed in range(3):
        (call,) = model.said(asked, seed).of("call")
        arguments = json.loads(call.removeprefix("f "))
        assert isinstance(arguments["a"], kinds)


@pytest.mark.parametrize("name", ["json_tools", "gemma4", "pythonic", "qwen3_coder", "minimax_m2"])
def test_arguments_of_a_schema_that_cannot_be_worked_with_are_called_and_typed_as_it_says(
    name: str, tmp_path: Path
) -> None:
    model = model_of(name, tmp_path)
    old = {"type": "integer", "minimum": 3, "exclusiveMinimum": True}
    parameters = {"type": "object", "properties": {"a": old, "b": {"type": "string"}, "c": {}}, "required": ["a", "b"]}
    asked = request(ToolMode.REQUIRED, tools=(tool("f", parameters, strict=False),), parallel=False)
    for seed in range(4):
        (call,) = model.said(asked, seed).of("call")
        arguments = json.loads(call.removeprefix("f "))
        assert {"a", "b"} <= arguments.keys()
        assert name == "json_tools" or arguments.keys() <= {"a", "b", "c"}
        assert (type(arguments["a"]), type(arguments["b"])) == (int, str)


@pytest.mark.parametrize("name", ["gemma4", "pythonic", "qwen3_coder", "minimax_m2"])
@pytest.mark.parametrize(
    ("properties", "required"),
    [
        ({f"p{number}": {"type": "string"} for number in range(500)}, []),
        ({"a": {"enum": [f"word {number}" for number in range(5000)]}}, ["a"]),
    ],
    ids=["arguments", "values"],
)
def test_a_call_goes_on_where_very_much_may_come_next(
    name: str, properties: dict[str, Any], required: list[str], tmp_path: Path
) -> None:
    model = model_of(name, tmp_path)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    validator: Any = jsonschema.Draft202012Validator(schema)
    for seed in range(2):
        found = model.said(request(ToolMode.REQUIRED, tools=(tool("f", schema),), parallel=False), seed)
        (call,) = found.of("call")
        validator.validate(json.loads(call.removeprefix("f ")))


def test_a_call_that_cannot_be_had_is_refused_with_a_word_on_what_to_do() -> None:
    style = style_of(TemplateTraits())
    for mode, name in ((ToolMode.REQUIRED, ""), (ToolMode.NAMED, "now")):
        with pytest.raises(OmlxError) as refused:
            wanted(request(mode, name, tools=(tool("now", None, strict=False),)), style, {})
        assert refused.value.body.param == "tool_choice"
        assert "how the model calls tools is not known" in refused.value.body.message
        assert refused.value.body.hint == "ask with auto, or ask a model that takes tools"
