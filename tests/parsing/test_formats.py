"""Every tool format reads what models write, and agrees with mlx-lm's parsers about it."""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from omlx_daemon.worker.parsing.cursor import UnreadableError
from omlx_daemon.worker.parsing.style import FORMATS
from tests.parsing.samples import SAMPLES, TOOLS, Sample

OURS_ALONE = {"harmony", "deepseek_v3", "deepseek_v32"}
"""Formats that mlx-lm has no parser for."""

each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=[f"{n}-{s.format}" for n, s in enumerate(SAMPLES)])


@each_sample
def test_a_well_formed_call_is_read(sample: Sample) -> None:
    calls = FORMATS[sample.format].parse(sample.text, TOOLS)
    assert [(call.name, json.loads(call.arguments)) for call in calls] == list(sample.calls)


@each_sample
def test_it_is_read_as_mlx_lm_reads_it(sample: Sample) -> None:
    if sample.format in OURS_ALONE:
        assert sample.format not in _parsers()
        return
    parser = importlib.import_module(f"mlx_lm.tool_parsers.{sample.format}")
    kind = FORMATS[sample.format]
    assert (kind.start, kind.end) == (parser.tool_call_start, parser.tool_call_end)
    body = sample.text.removeprefix(kind.start).removesuffix(kind.end) if kind.end else sample.text
    found: Any = parser.parse_tool_call(body.removeprefix(kind.start), TOOLS)
    theirs = [(one["name"], one.get("arguments", {})) for one in (found if isinstance(found, list) else [found])]
    assert theirs == list(sample.calls)


def test_no_parser_of_mlx_lm_is_unknown() -> None:
    assert _parsers() <= FORMATS.keys()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("json_tools", '<tool_call>{"name": "f", "arguments": {"a": tru}}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "f", "arguments": {"a": 1}, "thought": "x"}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "f", "arguments": "[1]"}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "", "arguments": {}}</tool_call>'),
        ("json_tools", '<tool_call>{"arguments": {}}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "f", "name": "g"}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "\\ud800"}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "f", "arguments": {"a": "\\x"}}</tool_call>'),
        ("json_tools", '<tool_call>{"name": "f", "arguments": ' + '{"a":' * 200 + "1" + "}" * 200 + "}</tool_call>"),
        ("qwen3_coder", "<tool_call><function=f>text<parameter=a>1</parameter></function></tool_call>"),
        ("qwen3_coder", "<tool_call><function=></function></tool_call>"),
        ("glm47", "<tool_call>f<arg_key>a</arg_key>text<arg_value>1</arg_value></tool_call>"),
        ("kimi_k2", "<|tool_calls_section_begin|><|tool_call_begin|>f<|tool_call_argument_begin|>{}"),
        ("kimi_k3", '<|open|>tools<|sep|><|open|>call tool="f" mood="x"<|sep|><|close|>call<|sep|>'),
        ("mistral", "[TOOL_CALLS]and so on"),
        ("gemma4", "<|tool_call>call:f{a:b}<tool_call|>"),
        ("pythonic", "<|tool_call_start|>[f(1)]<|tool_call_end|>"),
        ("pythonic", "<|tool_call_start|>[]<|tool_call_end|>"),
        ("minimax_m2", '<minimax:tool_call>text<invoke name="f"></invoke></minimax:tool_call>'),
    ],
)
def test_what_is_not_well_formed_is_refused(name: str, text: str) -> None:
    with pytest.raises(UnreadableError):
        FORMATS[name].parse(text, TOOLS)


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('{"name": "f", "arguments": "{\\"a\\": 1}"}', '{"a": 1}'),
        ('{"name": "f", "arguments": null}', "{}"),
        ('{"name": "f", "parameters": {"a": 1.50}}', '{"a": 1.50}'),
        ('{"name": "f", "arguments": {"a": "two\nlines\tand a tab"}}', '{"a": "two\\nlines\\tand a tab"}'),
        ('{"name": "f", "arguments": {"a": "</tool_call>"}}', '{"a": "</tool_call>"}'),
        ('{"name": "f", "arguments": {"a": "\\ud83e\\udd8a"}}', '{"a": "\\ud83e\\udd8a"}'),
    ],
)
def test_json_arguments_stay_as_they_are(text: str, arguments: str) -> None:
    for name in ("json_tools", "qwen3_coder", "glm47"):
        assert FORMATS[name].parse(f"<tool_call>{text}</tool_call>") == [("f", arguments)]


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string"}, "3", "3"),
        ({"type": "string"}, "null", "null"),
        ({"type": "integer"}, "3", 3),
        ({"type": "integer"}, "three", "three"),
        ({"type": "number"}, "3", 3),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "boolean"}, "True", True),
        ({"type": ["string", "null"]}, "null", None),
        ({"type": ["string", "null"]}, "5", "5"),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "5", 5),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "five", "five"),
        ({"enum": ["1", "2"]}, "1", "1"),
        ({"enum": [1, 2]}, "1", 1),
        ({"type": "array"}, '["a"]', ["a"]),
        ({"type": "object"}, "{broken", "{broken"),
        ({"type": "number"}, "NaN", "NaN"),
        ({"type": "integer"}, "9" * 5000, "9" * 5000),
        ({}, "[1]", [1]),
        ("no schema", "1", 1),
    ],
)
def test_bare_text_takes_the_type_that_the_schema_declares(schema: Any, text: str, value: object) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"properties": {"a": schema}}}}]
    written = f"<tool_call><function=f><parameter=a>\n{text}\n</parameter></function></tool_call>"
    (call,) = FORMATS["qwen3_coder"].parse(written, tools)
    assert json.loads(call.arguments) == {"a": value}


def _parsers() -> set[str]:
    import pkgutil

    import mlx_lm.tool_parsers

    return {module.name for module in pkgutil.iter_modules(mlx_lm.tool_parsers.__path__)}
