"""The real OpenAI SDK, over TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.api.serving import Served

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Why is the sky blue?"}]
ANSWER = "The sky is blue."


@pytest.fixture(scope="module")
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=60) as client:
        yield client


def test_whole(sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.create(model="sky", messages=ASK)
    assert reply.choices[0].message.content == ANSWER
    assert reply.usage is not None
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens == 2
    assert reply._request_id is not None
    assert reply._request_id.startswith("req_")


def test_stream(sdk: openai.OpenAI) -> None:
    chunks = list(
        sdk.chat.completions.create(
            model="sky", messages=ASK, stream=True, stream_options={"include_usage": True}, n=2, seed=1
        )
    )
    for index in (0, 1):
        choices = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert choices[0].delta.role == "assistant"
        assert "".join(choice.delta.content or "" for choice in choices) == ANSWER
        assert choices[-1].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 10
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_logprobs_and_choices(sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.create(model="sky", messages=ASK, logprobs=True, top_logprobs=2, n=2)
    assert [choice.index for choice in reply.choices] == [0, 1]
    logprobs = reply.choices[1].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert [entry.token for entry in logprobs.content] == ["The", " sky", " is", " blue", "."]
    assert len(logprobs.content[0].top_logprobs) == 2


def test_stop(sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.create(model="sky", messages=ASK, stop=["is"])
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("The sky", "stop")


def test_tool_calls_stream(sdk: openai.OpenAI) -> None:
    with sdk.chat.completions.stream(model="thinking", messages=ASK) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.name for call in message.tool_calls or [] if call.type == "function"] == ["look", "think"]


def test_completions(sdk: openai.OpenAI) -> None:
    reply = sdk.completions.create(model="sky", prompt=["a", "b"], logprobs=1)
    assert [choice.text for choice in reply.choices] == [ANSWER, ANSWER]
    assert reply.choices[0].logprobs is not None
    assert reply.choices[0].logprobs.text_offset == [0, 3, 7, 10, 15]
    streamed = sdk.completions.create(model="sky", prompt="a", stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == ANSWER


def test_async(served: Served) -> None:
    async def ask() -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
            whole = await client.chat.completions.create(model="sky", messages=ASK)
            parts = await client.chat.completions.create(model="sky", messages=ASK, stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in parts])
            return [whole.choices[0].message.content or "", text]

    assert asyncio.run(ask()) == [ANSWER, ANSWER]


def test_models(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["sky", "org/sky"]
    assert sdk.models.retrieve("org/sky").owned_by == "omlx"


@pytest.mark.parametrize(
    ("model", "kind", "code"),
    [
        ("skyy", openai.NotFoundError, "model_not_found"),
        ("long", openai.BadRequestError, "context_length_exceeded"),
        ("full", openai.InternalServerError, "queue_full"),
        ("raising", openai.InternalServerError, "internal"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_error_classes(
    sdk: openai.OpenAI, model: str, kind: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    with pytest.raises(kind) as caught:
        sdk.chat.completions.create(model=model, messages=ASK, stream=stream)
    assert caught.value.code == code
    assert caught.value.request_id is not None


def test_a_bad_value(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        sdk.chat.completions.create(model="sky", messages=ASK, temperature=3)
    assert (caught.value.param, caught.value.type) == ("temperature", "invalid_request_error")


def test_an_error_after_the_header(sdk: openai.OpenAI) -> None:
    text = ""
    with pytest.raises(openai.APIError, match="signal 9") as caught:
        for chunk in sdk.chat.completions.create(model="crashing", messages=ASK, stream=True):
            text += chunk.choices[0].delta.content or ""
    assert text == "The"
    assert not isinstance(caught.value, openai.APIStatusError)
