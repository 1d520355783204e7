"""What is refused names its field; what one caller keeps, no other one reads."""

from __future__ import annotations

from typing import Any

import pytest

from omlx_cli import keys
from omlx_cli.contract import routes
from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api.responses.convert import echoed
from omlx_daemon.api.responses.items import items_of
from omlx_daemon.api.responses.replies import Response
from omlx_daemon.api.responses.schema import ResponsesBody
from omlx_daemon.api.responses.store import Kept, ResponseStore
from tests.api.serving import JSON, Served

FUNCTION = {"type": "function", "name": "f"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0]"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools[1].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "mcp"}]}]}, "tools[0].tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice.name"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"truncation": "some"}, "truncation"),
        ({"include": ["everything"]}, "include"),
        ({"reasoning": {"effort": "some"}}, "reasoning.effort"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"text": {"verbosity": "loud"}}, "text.verbosity"),
        ({"context_management": [{"type": "compaction"}]}, "context_management"),
        ({"access_programs": {"cyber": "standard"}}, "access_programs"),
        ({"stop": [""]}, "stop"),
        ({"logit_bias": {"a": 1}}, "logit_bias"),
        ({"presence_penalty": 9}, "presence_penalty"),
        ({"grammar": "root ::= x"}, "grammar"),
        ({"chat_template_kwargs": {"tools": None}}, "chat_template_kwargs"),
    ],
)
def test_a_refusal_names_its_field(served: Served, fields: dict[str, Any], param: str) -> None:
    before = len(served.inference.requests)
    answer = served.ask("POST", routes.RESPONSES, {"model": "sky", "input": "x", **fields})
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error"), answer.text
    assert answer.json["error"]["param"].startswith(param)
    assert len(served.inference.requests) == before


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text": {"format": {"type": "json_schema", "schema": {"not": {}}}}}, "text.format"),
        ({"tools": [{"type": "web_search"}, FUNCTION, {**FUNCTION, "name": "g"}]}, "tools[2].parameters"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [FUNCTION, {**FUNCTION, "name": "g"}]}]},
            "tools[0].tools[1].parameters",
        ),
    ],
)
def test_what_the_worker_refuses_is_named_in_this_dialect_s_words(
    served: Served, fields: dict[str, Any], param: str, stream: bool
) -> None:
    body = {"model": "unenforceable", "input": "x", "stream": stream, **fields}
    answer = served.ask("POST", routes.RESPONSES, body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)
    assert answer.json["error"]["message"].startswith(f"{param} cannot be enforced")


def test_a_kept_response_is_not_streamed_again(served: Served) -> None:
    made = served.ask("POST", routes.RESPONSES, {"model": "sky", "input": "x"}).json["id"]
    answer = served.ask("GET", f"{routes.RESPONSES}/{made}?stream=true")
    assert (answer.status, answer.json["error"]["param"]) == (400, "stream")


def test_an_unknown_model_and_an_unknown_response(served: Served) -> None:
    assert served.ask("POST", routes.RESPONSES, {"model": "nothing", "input": "x", "stream": True}).status == 404
    for method in ("GET", "DELETE"):
        assert served.ask(method, f"{routes.RESPONSES}/resp_nothing").status == 404
    body = {"model": "sky", "input": "x", "previous_response_id": "resp_nothing"}
    answer = served.ask("POST", routes.RESPONSES, body)
    assert (answer.status, answer.json["error"]["param"]) == (404, "previous_response_id")


def test_no_key_reads_another_one_s_responses(keyed: Served) -> None:
    headers = [
        {**JSON, "x-api-key": keys.create(keyed.keys_path, name, "inference", "normal", False)[0]} for name in "ab"
    ]
    made = keyed.ask("POST", routes.RESPONSES, {"model": "sky", "input": "x"}, headers[0]).json["id"]
    path = f"{routes.RESPONSES}/{made}"
    assert [keyed.ask("GET", path, headers=header).status for header in headers] == [200, 404]
    assert keyed.ask("DELETE", path, headers=headers[1]).status == 404
    body = {"model": "sky", "input": "y", "previous_response_id": made}
    assert [keyed.ask("POST", routes.RESPONSES, body, header).status for header in headers] == [200, 404]
    assert keyed.ask("DELETE", path, headers=headers[0]).status == 200


def kept(name: str, text: str = "x") -> Kept:
    body = ResponsesBody(model="m", input="x")
    response = Response(id=name, created_at=0, status="completed", output=[], **echoed(body))
    return Kept(response=response, turns=(items_of(text, name),))


def test_the_store_is_bounded_by_number_and_by_bytes() -> None:
    store = ResponseStore(max_responses=2, max_bytes=10_000)
    for name in "abc":
        store.keep("me", kept(name))
        store.find("me", name)
    assert len(store) == 2
    with pytest.raises(OmlxError) as failed:
        store.find("me", "a")
    assert failed.value.body.code is Code.NOT_FOUND
    store.find("me", "b")
    store.keep("me", kept("d", "x" * 9_300))
    assert len(store) == 1
    assert store.find("me", "d").response.id == "d"
    store.keep("me", kept("e", "x" * 20_000))
    assert len(store) == 0
