"""Bodies as generation requests."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.anthropic.convert import count_job, message_job
from omlx_daemon.api.anthropic.schema import CountTokensBody
from omlx_daemon.api.anthropic.usage import Scale
from omlx_daemon.api.body import decode
from omlx_daemon.api.caller import Caller
from omlx_daemon.core.models import Served
from omlx_daemon.core.requests import Priority, ReasoningOptions, ResponseFormat, Sampling, ToolChoice, ToolMode
from tests.api.anthropic.bodies import ASK, CALLER, LOOK, WAIT, assistant, body, job, user

SCHEMA: dict[str, object] = {"type": "object", "properties": {"a": {"type": "integer"}}}


def test_a_plain_request() -> None:
    made = job()
    assert (made.id, made.model, made.stream) == ("msg_1", "sky", False)
    request = made.request
    assert (request.id, request.model, request.client, request.priority) == (
        "req_1.0",
        "sky",
        "127.0.0.1",
        Priority.NORMAL,
    )
    assert request.sampling == Sampling(max_tokens=64)
    assert request.tool_choice == ToolChoice()
    assert request.response_format is None
    assert not (request.count_only or request.cache.warm or made.warnings or made.omits_thinking)


def test_how_tokens_are_chosen() -> None:
    found = job(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        min_p=0.1,
        repetition_penalty=1.1,
        seed=-1,
        stop_sequences=["\n\nHuman:", "END"],
    ).request.sampling
    assert found == Sampling(
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        min_p=0.1,
        repetition_penalty=1.1,
        seed=2**63 - 1,
        stop=("\n\nHuman:", "END"),
        max_tokens=64,
    )
    assert job(top_p=0).request.sampling.top_k == 1


def test_the_prompt_alone_is_wanted_where_no_token_is() -> None:
    request = job(max_tokens=0).request
    assert (request.cache.warm, request.sampling.max_tokens) == (True, None)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, ToolChoice()),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolChoice(parallel=False)),
        ({"type": "any"}, ToolChoice(mode=ToolMode.REQUIRED)),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice(mode=ToolMode.REQUIRED, parallel=False)),
        ({"type": "tool", "name": "wait"}, ToolChoice(mode=ToolMode.NAMED, name="wait")),
        (
            {"type": "tool", "name": "wait", "disable_parallel_tool_use": True},
            ToolChoice(mode=ToolMode.NAMED, name="wait", parallel=False),
        ),
        ({"type": "none"}, ToolChoice(mode=ToolMode.NONE)),
    ],
)
def test_what_becomes_of_the_tools(choice: dict[str, Any], expected: ToolChoice) -> None:
    assert job(tools=[LOOK, WAIT], tool_choice=choice).request.tool_choice == expected


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tool_choice": {"type": "auto"}, "tools": []}, "tool_choice"),
        ({"tool_choice": {"type": "tool", "name": "fly"}, "tools": [LOOK]}, "tool_choice.name"),
        ({"priority": "urgent"}, "priority"),
        ({"keep_alive": "soon"}, "keep_alive"),
    ],
)
def test_what_makes_no_sense(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(OmlxError) as caught:
        job(**fields)
    assert (caught.value.code, caught.value.body.param) == (Code.INVALID_REQUEST, param)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ReasoningOptions(enabled=False)),
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(enabled=False)),
        ({"thinking": {"type": "adaptive"}}, ReasoningOptions(enabled=True)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, ReasoningOptions(enabled=True)),
        (
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
            ReasoningOptions(enabled=True, effort="low"),
        ),
        ({"output_config": {"effort": "max"}}, ReasoningOptions(enabled=False, effort="max")),
    ],
)
def test_reasoning_is_had_by_those_who_ask_for_it(fields: dict[str, Any], expected: ReasoningOptions) -> None:
    assert job(**fields).request.reasoning == expected


def test_a_budget_that_is_not_kept_is_told() -> None:
    (warning,) = job(thinking={"type": "enabled", "budget_tokens": 2048}).warnings
    assert "budget_tokens is not enforced" in warning


def test_a_task_budget_that_the_model_is_not_told_is_told_of() -> None:
    (warning,) = job(output_config={"task_budget": {"type": "tokens", "total": 50_000}}).warnings
    assert "task_budget" in warning


def test_documents_that_would_be_cited_are_spoken_of_once() -> None:
    paper = {"type": "document", "source": {"type": "content", "content": "x"}, "citations": {"enabled": True}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "x"}, paper]}
    (warning,) = job(messages=[user("hi"), assistant("yes"), user([result, paper])]).warnings
    assert warning.startswith("messages[2].content[0].content[1].citations is not honoured")
    for silent in ({"enabled": False}, {}, None):
        assert job(messages=[user([{**paper, "citations": silent}])]).warnings == ()


def test_a_count_is_that_of_the_conversation_whatever_compaction_is_asked_for() -> None:
    asked = {"model": "sky", "messages": ASK, "compaction": {"instructions": "Be brief."}}
    found = count_job(decode(json.dumps(asked).encode(), CountTokensBody), CALLER, Served(name="sky"))
    assert found.request.prompt == job().request.prompt


@pytest.mark.parametrize(("display", "omits"), [("omitted", True), ("summarized", False), (None, False)])
def test_reasoning_may_be_left_out_of_the_answer(display: str | None, omits: bool) -> None:
    for kind in ("enabled", "adaptive"):
        assert job(thinking={"type": kind, "display": display}).omits_thinking is omits


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_an_answer_that_follows_a_schema(field: str) -> None:
    format_ = {"type": "json_schema", "schema": SCHEMA}
    fields: dict[str, Any] = {field: {"format": format_} if field == "output_config" else format_}
    assert job(**fields).request.response_format == ResponseFormat(schema=SCHEMA, strict=True)


@pytest.mark.parametrize(
    ("caller", "client"),
    [
        (Caller(request_id="req_1", peer="::1"), "user_1"),
        (Caller(request_id="req_1", peer="::1", name="ide"), "ide"),
    ],
)
def test_whose_request_it_is(caller: Caller, client: str) -> None:
    made = message_job(body(metadata={"user_id": "user_1"}), caller, Served(name="sky"))
    assert made.request.client == client


def test_a_long_name_keeps_the_session_at_its_end() -> None:
    client = job(metadata={"user_id": "device" * 50 + "\x1b_session_1"}).request.client
    assert len(client) == 100
    assert client.endswith("device_session_1")


def test_terms_of_omlx() -> None:
    fields: dict[str, Any] = {
        "priority": "batch",
        "timeout": 5,
        "deadline_s": 9,
        "cache_store": False,
        "cache_salt": "x",
    }
    request = job(**fields, keep_alive="5m").request
    assert (request.priority, request.deadline_s, request.keep_alive_s) == (Priority.BATCH, 5.0, 300.0)
    assert (request.cache.no_store, request.cache.salt) == (True, "x")


def test_the_model_that_answers_is_asked_and_the_other_name_is_told() -> None:
    served = Served(name="qwen3:4b", context_tokens=32_768, client_window_tokens=200_000)
    made = message_job(body(model="claude-haiku-4-5"), CALLER, served)
    assert (made.request.model, made.model) == ("qwen3:4b", "claude-haiku-4-5")
    assert made.scale == Scale(200_000, 32_768)


@pytest.mark.parametrize(
    ("said", "configured", "window"), [(None, 0, 0), (None, 100_000, 100_000), (200_000, 0, 200_000), (0, 100_000, 0)]
)
def test_a_client_may_say_which_context_it_believes_in(said: int | None, configured: int, window: int) -> None:
    caller = msgspec.structs.replace(CALLER, window_tokens=said)
    served = Served(name="sky", context_tokens=32_768, client_window_tokens=configured)
    expected = Scale(window_tokens=window, context_tokens=32_768)
    assert message_job(body(), caller, served).scale == count_job(body(), caller, served).scale == expected


def test_a_count_asks_for_the_same_prompt() -> None:
    asked = body(system="Be brief.", tools=[LOOK], tool_choice={"type": "any"}, thinking={"type": "adaptive"})
    answered, counted = message_job(asked, CALLER, Served(name="sky")), count_job(asked, CALLER, Served(name="sky"))
    assert counted.request == msgspec.structs.replace(answered.request, sampling=Sampling(), count_only=True)


def test_no_field_changes_the_prompt_behind_the_clients_back() -> None:
    plain = job().request.prompt
    silent: dict[str, Any] = {
        "cache_control": {"type": "ephemeral"},
        "service_tier": "auto",
        "metadata": {"user_id": "u", "other": 1},
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "betas": ["context-1m-2025-08-07"],
        "container": None,
        "mcp_servers": [],
        "speed": "fast",
    }
    made = job(**silent)
    assert (made.request.prompt, made.manages_context) == (plain, True)
    assert [message.content for message in getattr(plain, "messages", ())] == [ASK[0]["content"]]
