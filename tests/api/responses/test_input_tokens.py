"""How long the prompt of a response would be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import openai
import pytest
from openai.types.responses import InputTokenCountResponse

from omlx_cli.contract import routes
from omlx_daemon.core.requests import ChatPrompt, Sampling
from tests.api.serving import Served

TOOLS: Any = [{"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}]
TURN: Any = {
    "model": "sky",
    "input": [{"role": "user", "content": "Why?"}],
    "instructions": "Be brief.",
    "tools": TOOLS,
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "reasoning": {"effort": "low"},
    "text": {"format": {"type": "json_object"}},
    "truncation": "auto",
}


@pytest.fixture(scope="module")
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def test_a_count_is_that_of_the_response_that_would_be_made(sdk: openai.OpenAI, served: Served) -> None:
    before = len(served.inference.requests)
    assert sdk.responses.input_tokens.count(**TURN).input_tokens == 7
    sdk.responses.create(**TURN)
    counted, answered = served.inference.requests[before:]
    assert counted == msgspec.structs.replace(answered, id=counted.id, count_only=True)
    assert counted.sampling == Sampling()
    text = served.ask("POST", routes.RESPONSE_INPUT_TOKENS, TURN).text
    assert InputTokenCountResponse.model_validate_json(text).object == "response.input_tokens"


def test_an_empty_text_is_counted_as_the_turn_that_it_is(sdk: openai.OpenAI, served: Served) -> None:
    assert sdk.responses.input_tokens.count(model="sky", input="").input_tokens == 7
    sdk.responses.create(model="sky", input="")
    counted, answered = (request.prompt for request in served.inference.requests[-2:])
    assert counted == answered


def test_a_conversation_that_is_kept_is_counted_too(sdk: openai.OpenAI, served: Served) -> None:
    first = sdk.responses.create(model="sky", input="Why?")
    kept = len(list(sdk.responses.input_items.list(first.id)))
    assert sdk.responses.input_tokens.count(model="sky", previous_response_id=first.id).input_tokens == 7
    prompt = served.inference.requests[-1].prompt
    assert isinstance(prompt, ChatPrompt)
    assert [message.content for message in prompt.messages] == ["Why?", "The sky is blue."]
    assert sdk.responses.input_tokens.count(model="sky", input=None, instructions="Hi.").input_tokens == 7
    assert len(list(sdk.responses.input_items.list(first.id))) == kept


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": None}, "model"),
        ({"model": ""}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": 3}, "input"),
        ({"input": [{"role": "narrator", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"tools": [{"type": "file_search"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"truncation": "some"}, "truncation"),
    ],
)
def test_a_refusal_names_its_field(served: Served, fields: dict[str, Any], param: str) -> None:
    before = len(served.inference.requests)
    answer = served.ask("POST", routes.RESPONSE_INPUT_TOKENS, {"model": "sky", "input": "x", **fields})
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error"), answer.text
    assert answer.json["error"]["param"].startswith(param)
    assert len(served.inference.requests) == before


@pytest.mark.parametrize("body", [None, b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_body_is_refused(served: Served, body: bytes | None) -> None:
    answer = served.ask("POST", routes.RESPONSE_INPUT_TOKENS, body)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error"), answer.text


def test_failures_are_told_as_those_of_a_response_are(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="not here"):
        sdk.responses.input_tokens.count(model="skyy", input="x")
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.responses.input_tokens.count(model="sky", input="x", previous_response_id="resp_nothing")
    assert caught.value.param == "previous_response_id"
    with pytest.raises(openai.InternalServerError, match="signal 9"):
        sdk.responses.input_tokens.count(model="crashing", input="x")
