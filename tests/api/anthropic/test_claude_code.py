"""Claude Code's requests, as its public documentation describes them."""

from __future__ import annotations

import json
from typing import Any

from omlx_cli.contract import routes
from omlx_daemon.core.models import Served as ServedModel
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, ReasoningOptions
from tests.api.anthropic import claude_code
from tests.api.serving import Answer, Served

HAIKU = claude_code.PROBE["model"]


def ask(served: Served, body: dict[str, Any], path: str = claude_code.PATH) -> Answer:
    served.names.windows[HAIKU] = ServedModel(name="sky")
    return served.ask("POST", path, body, claude_code.HEADERS)


def asked(served: Served) -> tuple[GenerationRequest, ChatPrompt]:
    """Return what the daemon was asked last."""
    request = served.inference.requests[-1]
    assert isinstance(request.prompt, ChatPrompt)
    return request, request.prompt


def test_a_turn_of_the_loop(served: Served) -> None:
    answer = ask(served, claude_code.TURN)
    assert answer.status == 200
    assert '"stop_reason":"tool_use"' in answer.text
    assert '"context_management":{"applied_edits":[]}' in answer.text
    request, prompt = asked(served)
    assert (request.client, request.sampling.max_tokens) == (claude_code.TURN["metadata"]["user_id"], 32_000)
    assert request.reasoning == ReasoningOptions(enabled=True, effort="medium")
    assert [tool["function"]["name"] for tool in json.loads(json.dumps(prompt.tools))] == ["Read", "Bash"]
    assert [message.role for message in prompt.messages] == ["system", "user", "assistant", "tool", "tool", "user"]
    system, first, answered, read, failed, last = prompt.messages
    assert system.content.startswith("x-anthropic-billing-header: cc_version=2.1.0; cc_entrypoint=cli;\n\nYou are")
    assert first.content.endswith("</system-reminder>\n\nWhy does the build fail?")
    assert (answered.reasoning, len(answered.tool_calls)) == ("I should look.", 2)
    assert (read.name, read.tool_call_id, read.content) == ("Read", "toolu_1", "1\tx = 1")
    assert failed.content == "Error: <tool_use_error>Exit code 2</tool_use_error>"
    assert last.content.startswith("<system-reminder>")
    assert not prompt.continues


def test_every_turn_begins_with_the_one_before(served: Served) -> None:
    """What a client adds to a conversation never changes what stands before it."""
    ask(served, claude_code.TURN)
    _, before = asked(served)
    more = [
        {"role": "assistant", "content": [{"type": "text", "text": "It is x."}]},
        {"role": "system", "content": "The user switched to another branch."},
        {"role": "user", "content": [{"type": "text", "text": "Fix it.", "cache_control": {"type": "ephemeral"}}]},
    ]
    ask(served, {**claude_code.TURN, "messages": [*claude_code.TURN["messages"], *more]})
    _, after = asked(served)
    assert after.messages[: len(before.messages)] == before.messages
    assert [message.role for message in after.messages[len(before.messages) :]] == ["assistant", "system", "user"]
    assert after.tools == before.tools


def test_the_probe_for_an_account(served: Served) -> None:
    answer = ask(served, claude_code.PROBE)
    assert (answer.status, answer.json["model"], answer.json["stop_reason"]) == (200, HAIKU, "max_tokens")
    request, _ = asked(served)
    assert (request.model, request.reasoning.enabled) == ("sky", False)


def test_a_title_whose_answer_is_begun(served: Served) -> None:
    assert ask(served, claude_code.TITLE).status == 200
    _, prompt = asked(served)
    assert (prompt.continues, prompt.messages[-1].content) == (True, "{")


def test_a_count(served: Served) -> None:
    answer = ask(served, claude_code.COUNT, f"{routes.COUNT_TOKENS}?beta=true")
    assert (answer.status, answer.json) == (200, {"input_tokens": 7})


def test_a_search_on_anthropics_servers_is_refused_by_name(served: Served) -> None:
    answer = ask(served, claude_code.SEARCH)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert "web_search_20250305" in answer.json["error"]["message"]


def test_the_header_that_omlx_launch_has_it_send(served: Served) -> None:
    served.names.windows["windowed"] = ServedModel(name="agent", context_tokens=2000)
    turn = {**claude_code.TURN, "model": "windowed", "stream": False}
    for said, times in (("200000", 100), ("0", 1)):
        headers = {**claude_code.HEADERS, "x-omlx-client-window": said}
        answer = served.ask("POST", claude_code.PATH, turn, headers)
        usage = answer.json["usage"]
        told = usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]
        assert told == times * int(answer.headers["x-omlx-true-input-tokens"])
    for said in ("many", "-1", "1e5", "9" * 10, "\xb2"):
        answer = served.ask("POST", claude_code.PATH, turn, {**claude_code.HEADERS, "x-omlx-client-window": said})
        assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
        assert "x-omlx-client-window" in answer.json["error"]["message"]


def test_the_list_of_models_for_a_picker(served: Served) -> None:
    answer = served.ask("GET", "/v1/models?limit=1000", headers=claude_code.HEADERS)
    assert (answer.status, [row["id"] for row in answer.json["data"]]) == (200, ["sky", "org/sky"])
