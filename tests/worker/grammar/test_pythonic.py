"""Calls that are written as Python writes them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.core.requests import ToolMode
from omlx_daemon.worker.backend.grammar.follower import Follower
from omlx_daemon.worker.grammar.answers import wanted
from tests.worker.grammar.calling import WEATHER, model_of, request, tool
from tests.worker.grammar.vocabulary import accepts

CHOSEN: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": ["boolean", "null"]},
        "b": {"type": "string"},
        "c": {"enum": [True, 2]},
        "d": {"type": "array", "items": {"type": "boolean"}},
    },
    "required": ["b"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("written", "is_allowed"),
    [
        ('[f(b="x")]', True),
        ('[f(a=True, b="x", c=2, d=[true])]', True),
        ('[ f( a=None,b="x" ), now(),f(b="\\"]\\n")\n]', True),
        ('[f(a=false, b="x", c=true)]', True),
        ('[f(b= "x")]', True),
        ("[now()]", True),
        ("[]", False),
        ("[g()]", False),
        ("[f()]", False),
        ("[f(a=True)]", False),
        ('[f("x")]', False),
        ('[f(b="x", a=True)]', False),
        ('[f(b="x",)]', False),
        ('[f(, b="x")]', False),
        ('[f(b="x" c=2)]', False),
        ('[f(b="x", b="y")]', False),
        ("[f(b=x)]", False),
        ("[f(b=True)]", False),
        ('[f(b="x", c=True)]', False),
        ('[f(b="x", e=1)]', False),
        ("[now(a=True)]", False),
        ("[now(),]", False),
        ('f(b="x")', False),
    ],
)
def test_what_is_written_as_python_is_a_list_of_calls(written: str, is_allowed: bool, tmp_path: Path) -> None:
    model = model_of("pythonic", tmp_path)
    asked = request(ToolMode.REQUIRED, tools=(tool("f", CHOSEN), tool("now", None)))
    found = wanted(asked, model.style, model.compiler.markers)
    assert found is not None
    answer = f"<|tool_call_start|>{written}<|tool_call_end|>"
    assert accepts(Follower(model.compiler.compile(*found)), model.tokenizer.encode_text(answer)) is is_allowed


def test_python_reads_what_is_written_as_python(tmp_path: Path) -> None:
    model, words, keys = model_of("pythonic", tmp_path), set(), set()
    for seed in range(40):
        answer = model.answer(request(ToolMode.REQUIRED), seed)
        calls = ast.parse(answer.partition("|>")[2].rpartition("<|")[0].strip(), mode="eval").body
        assert isinstance(calls, ast.List)
        for call in calls.elts:
            assert isinstance(call, ast.Call)
            assert call.args == []
            given = [keyword.arg or "" for keyword in call.keywords]
            assert given == [name for name in WEATHER["properties"] if name in given]
            keys.add(tuple(given))
            words |= {node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and not node.value}
    assert {None, False} <= words
    assert len(keys) > 3


def test_names_that_no_call_can_be_written_with_are_refused(tmp_path: Path) -> None:
    style = model_of("pythonic", tmp_path).style
    odd = {"type": "object", "properties": {"a=b": {}}}
    for offered in (tool("f(x)", None), tool("f", odd, strict=False), tool("a b", CHOSEN)):
        with pytest.raises(OmlxError) as refused:
            wanted(request(ToolMode.REQUIRED, tools=(tool("now", None), offered)), style, {})
        assert refused.value.body.param == "tools[1].function.parameters"
        assert "cannot write the name" in refused.value.body.message
