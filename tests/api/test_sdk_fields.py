"""Every field that the installed OpenAI SDK can send is honoured, harmless, spoken of, or refused by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import openai
import pytest
from openai.resources.chat.completions import Completions as Chat
from openai.resources.completions import Completions as Text
from openai.resources.responses import InputTokens, Responses
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from omlx_daemon.api.openai.schema import ChatCompletionBody, CompletionBody
from omlx_daemon.api.responses.schema import InputTokensBody, ResponsesBody
from tests.api.serving import Served

OF_THE_SDK = {"self", "extra_headers", "extra_query", "extra_body", "timeout"}
"""What the SDK keeps to itself."""
HARMLESS = {"metadata", "prompt_cache_key", "prompt_cache_retention", "safety_identifier", "service_tier"}
"""What no answer depends on."""
ASK: list[Any] = [{"role": "user", "content": "Why?"}]
CREATE: dict[str, tuple[Callable[..., Any], Any, set[str]]] = {
    "chat": (Chat.create, ChatCompletionBody, HARMLESS),
    "text": (Text.create, CompletionBody, set()),
    "responses": (Responses.create, ResponsesBody, {*HARMLESS, "stream_options", "max_tool_calls", "image"}),
    "count": (InputTokens.count, InputTokensBody, {"personality"}),
}


@pytest.fixture(scope="module")
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


@pytest.mark.parametrize("name", CREATE)
def test_every_field_of_the_sdk_is_known(name: str) -> None:
    create, body, harmless = CREATE[name]
    sent = inspect.signature(create).parameters.keys() - OF_THE_SDK
    assert len(sent) > 10
    assert sent - harmless <= set(body.__struct_fields__)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"moderation": {"model": "omni-moderation-latest"}}, "moderation"),
        ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
        ({"extra_body": {"guided_json": {"type": "object"}}}, "guided_json"),
        ({"extra_body": {"structured_outputs": {"regex": "x"}}}, "structured_outputs"),
    ],
)
def test_what_cannot_be_heeded_is_refused_in_both_dialects(
    sdk: openai.OpenAI, fields: dict[str, Any], param: str
) -> None:
    chat, respond = (
        partial(sdk.chat.completions.create, messages=ASK),
        partial(sdk.responses.create, input="Why?"),
    )
    for create in (chat, respond):
        with pytest.raises(openai.BadRequestError) as caught:
            create(model="sky", **fields)
        assert caught.value.param == param
        assert "not supported" in str(caught.value)


@pytest.mark.parametrize("model", ["sky", "thinking", "agent", "taking-back"])
def test_whole_replies_are_what_the_sdk_declares(served: Served, model: str) -> None:
    """The SDK itself builds its types without looking; here they are validated."""
    chat = {"model": model, "messages": ASK, "logprobs": True, "top_logprobs": 1, "n": 2}
    ChatCompletion.model_validate_json(served.ask("POST", "/v1/chat/completions", chat).text)
    text = {"model": "sky", "prompt": "Why?", "logprobs": 1}
    Completion.model_validate_json(served.ask("POST", "/v1/completions", text).text)
    turn = {"model": model, "input": "Why?", "top_logprobs": 1, "tools": [{"type": "custom", "name": "wait"}]}
    Response.model_validate_json(served.ask("POST", "/v1/responses", turn).text)


@pytest.mark.parametrize("model", ["sky", "thinking", "agent", "taking-back"])
def test_chunks_are_what_the_sdk_declares(served: Served, model: str) -> None:
    body = {"model": model, "messages": ASK, "stream": True, "stream_options": {"include_usage": True}}
    lines = served.ask("POST", "/v1/chat/completions", body).text.split("\n\n")
    chunks = [line.removeprefix("data: ") for line in lines if line.startswith("data: {")]
    assert len(chunks) > 3
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk)
