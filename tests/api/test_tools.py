"""Tools, the choice among them and the answer's format, as the chat dialect spells them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, ResponseFormat, ToolChoice, ToolMode
from tests.api.serving import Served

CHAT = "/v1/chat/completions"
ASK = [{"role": "user", "content": "Look."}]
SCHEMA: dict[str, object] = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
LOOK = {"type": "function", "function": {"name": "look", "description": "d", "parameters": SCHEMA, "strict": True}}
NOW = {"type": "function", "function": {"name": "mcp__time.now"}}


def ask(served: Served, **fields: object) -> Any:
    return served.ask("POST", CHAT, {"model": "sky", "messages": ASK, **fields}).json


def request_of(served: Served, **fields: object) -> GenerationRequest:
    assert "choices" in ask(served, **fields)
    return served.inference.requests[-1]


def refusal(served: Served, **fields: object) -> tuple[str, str]:
    error = ask(served, **fields)["error"]
    assert error["code"] == "invalid_request"
    return error["param"], error["message"]


def test_tools_arrive_as_they_were_sent(served: Served) -> None:
    prompt = request_of(served, tools=[LOOK, NOW]).prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.tools == (LOOK, NOW)


def test_what_a_tool_carries_beside_itself_does_not_reach_the_prompt(served: Served) -> None:
    extra = {
        "type": "function",
        "cache_control": {},
        "function": {"x": 1, "name": "mcp__time.now", "description": None},
    }
    prompt = request_of(served, tools=[extra]).prompt
    assert isinstance(prompt, ChatPrompt)
    assert prompt.tools == (NOW,)


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, ToolChoice()),
        ({"tool_choice": "auto"}, ToolChoice()),
        ({"tool_choice": "none"}, ToolChoice(mode=ToolMode.NONE)),
        ({"tool_choice": "required"}, ToolChoice(mode=ToolMode.REQUIRED)),
        (
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
            ToolChoice(mode=ToolMode.NAMED, name="look"),
        ),
        ({"parallel_tool_calls": False}, ToolChoice(parallel=False)),
        ({"parallel_tool_calls": True, "tool_choice": "required"}, ToolChoice(mode=ToolMode.REQUIRED)),
    ],
)
def test_choices(served: Served, fields: dict[str, object], choice: ToolChoice) -> None:
    request = request_of(served, tools=[LOOK, NOW], **fields)
    assert request.tool_choice == choice
    assert isinstance(request.prompt, ChatPrompt)
    assert len(request.prompt.tools) == 2


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"tool_choice": "required"}, "tool_choice", "no tools"),
        ({"tools": [LOOK], "tool_choice": {"function": {"name": "see"}}}, "tool_choice", "'see' is none of the tools"),
        ({"tools": [LOOK, LOOK]}, "tools[1].function.name", "there already"),
        ({"functions": [{"name": "look"}]}, "functions", "send tools"),
        ({"function_call": {"name": "look"}}, "function_call", "send tools"),
    ],
)
def test_what_cannot_be_meant_is_refused(served: Served, fields: dict[str, object], param: str, words: str) -> None:
    found, message = refusal(served, **fields)
    assert found == param
    assert words in message


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, ResponseFormat()),
        ({"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}, ResponseFormat(schema=SCHEMA)),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": False}},
            ResponseFormat(schema=SCHEMA, strict=False),
        ),
        ({"type": "json_schema", "json_schema": {"name": "n"}}, ResponseFormat()),
    ],
)
def test_formats(served: Served, given: object, wanted: ResponseFormat | None) -> None:
    assert request_of(served, response_format=given).response_format == wanted


@pytest.mark.parametrize(
    ("path", "tool", "param"),
    [
        ("/v1/chat/completions", lambda f: {"type": "function", "function": f}, "tools[0].function.parameters"),
        ("/v1/responses", lambda f: {"type": "function", **f}, "tools[0].parameters"),
        ("/v1/messages", lambda f: {"name": "f", "input_schema": f["parameters"]}, "tools[0].input_schema"),
    ],
)
def test_a_schema_that_is_nested_too_deeply_is_refused_in_every_dialect(
    served: Served, path: str, tool: Callable[[dict[str, object]], object], param: str
) -> None:
    schema: dict[str, object] = {"type": "object"}
    for _ in range(300):
        schema = {"type": "object", "properties": {"a": schema}}
    said = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 1, "input": "x"}
    answer = served.ask("POST", path, {"model": "sky", **said, "tools": [tool({"name": "f", "parameters": schema})]})
    assert answer.status == 400
    assert f"{param}: it is nested more than 100 levels deep" in answer.json["error"]["message"]


def test_every_choice_of_a_request_gets_the_same(served: Served) -> None:
    request_of(served, n=2, tools=[LOOK], tool_choice="none", response_format={"type": "json_object"})
    first, second = served.inference.requests[-2:]
    assert first.tool_choice == second.tool_choice == ToolChoice(mode=ToolMode.NONE)
    assert first.response_format == second.response_format == ResponseFormat()


def test_earlier_reasoning_and_refusals_reach_the_prompt(served: Served) -> None:
    for field in ("reasoning_content", "reasoning"):
        part = {"type": "refusal", "refusal": "No."}
        messages = [*ASK, {"role": "assistant", "content": [part], field: "hm"}, *ASK]
        prompt = request_of(served, messages=messages).prompt
        assert isinstance(prompt, ChatPrompt)
        assert (prompt.messages[1].reasoning, prompt.messages[1].content) == ("hm", "No.")


def test_a_call_taken_back_leaves_its_text_and_a_warning(served: Served) -> None:
    (choice,) = ask(served, model="taking-back")["choices"]
    message = choice["message"]
    assert message["content"].startswith("<tool_call>")
    assert "tool_calls" not in message
    assert message["warning"] == "a tool call cannot be read"
    assert choice["finish_reason"] == "stop"


def test_pieces_of_calls_are_joined(served: Served) -> None:
    message = ask(served, model="agent")["choices"][0]["message"]
    assert [call["function"] for call in message["tool_calls"]] == [
        {"name": "look", "arguments": '{"at": "sky"}'},
        {"name": "wait", "arguments": "{}"},
    ]
    assert message["reasoning_content"] == "Two places to look."
    assert "warning" not in message
