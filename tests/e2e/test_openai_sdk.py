"""The real OpenAI SDK against the real daemon, over TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from tests.e2e.conftest import Home

pytestmark = pytest.mark.model
ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Why is the sky blue?"}]


@pytest.fixture(scope="module")
def client(served: Home) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0) as sdk:
        yield sdk


def test_models_lists_the_model(client: openai.OpenAI) -> None:
    names = {model.id for model in client.models.list()}
    assert "smollm2:135m" in names
    assert client.models.retrieve("smollm2").id


def test_whole_answer_with_usage(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="smollm2", messages=ASK, temperature=0, max_completion_tokens=8)
    assert reply.choices[0].message.content
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 8
    assert reply.usage.total_tokens == reply.usage.prompt_tokens + 8
    assert reply.usage.prompt_tokens_details is not None
    assert reply.usage.prompt_tokens_details.cached_tokens is not None


def test_streamed_answer_equals_the_whole_one(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="smollm2", messages=ASK, temperature=0, max_tokens=16)
    text, usage, chunks = "", None, 0
    for chunk in client.chat.completions.create(
        model="smollm2",
        messages=ASK,
        temperature=0,
        max_tokens=16,
        stream=True,
        stream_options={"include_usage": True},
    ):
        chunks += 1
        usage = chunk.usage or usage
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
    assert text == whole.choices[0].message.content
    assert chunks > 4
    assert usage is not None
    assert usage.completion_tokens == 16


def test_logprobs_belong_to_the_tokens(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(
        model="smollm2", messages=ASK, temperature=0, max_tokens=6, logprobs=True, top_logprobs=3
    )
    logprobs = reply.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert len(logprobs.content) == 6
    assert "".join(entry.token for entry in logprobs.content) == reply.choices[0].message.content
    for entry in logprobs.content:
        assert len(entry.top_logprobs) == 3
        assert entry.logprob == pytest.approx(max(top.logprob for top in entry.top_logprobs), abs=1e-4)
        assert entry.logprob <= 0


def test_two_choices_and_a_seed(client: openai.OpenAI) -> None:
    replies = [
        client.chat.completions.create(model="smollm2", messages=ASK, temperature=1, seed=7, max_tokens=12, n=2)
        for _ in range(2)
    ]
    first, second = ([choice.message.content for choice in reply.choices] for reply in replies)
    assert first == second
    assert first[0] != first[1]
    assert [choice.index for choice in replies[0].choices] == [0, 1]


def test_stop_ends_before_the_stop_string(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="smollm2", messages=ASK, temperature=0, max_tokens=24)
    text = whole.choices[0].message.content or ""
    stop = text[len(text) // 2 :][:6]
    reply = client.chat.completions.create(model="smollm2", messages=ASK, temperature=0, max_tokens=24, stop=[stop])
    assert reply.choices[0].message.content == text[: text.index(stop)]
    assert reply.choices[0].finish_reason == "stop"


def test_completions(client: openai.OpenAI) -> None:
    reply = client.completions.create(model="smollm2", prompt="Once upon a time", temperature=0, max_tokens=8)
    assert reply.choices[0].text
    echoed = client.completions.create(
        model="smollm2", prompt="Once upon a time", temperature=0, max_tokens=8, echo=True
    )
    assert echoed.choices[0].text == "Once upon a time" + reply.choices[0].text


def test_responses_that_are_counted_made_and_listed(client: openai.OpenAI) -> None:
    counted = client.responses.input_tokens.count(model="smollm2", input="Why is the sky blue?", instructions="Hm.")
    first = client.responses.create(
        model="smollm2", input="Why is the sky blue?", instructions="Hm.", temperature=0, max_output_tokens=8
    )
    assert first.usage is not None
    assert counted.input_tokens == first.usage.input_tokens > 10
    further = client.responses.input_tokens.count(model="smollm2", input="And red?", previous_response_id=first.id)
    second = client.responses.create(
        model="smollm2", input="And red?", previous_response_id=first.id, temperature=0, max_output_tokens=4
    )
    assert second.usage is not None
    assert further.input_tokens == second.usage.input_tokens
    listed = client.responses.input_items.list(second.id, order="asc")
    assert [item.id for item in listed][1] == first.output[0].id
    assert client.responses.input_tokens.count(model="smollm2", input="word " * 9000).input_tokens > 9000
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(second.id)


def test_unknown_model_names_near_matches(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="smollm2"):
        client.chat.completions.create(model="smolm2", messages=ASK)


def test_prompt_over_the_context_gives_the_two_counts(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="8192") as caught:
        client.chat.completions.create(model="smollm2", messages=[{"role": "user", "content": "word " * 9000}])
    assert caught.value.code == "context_length_exceeded"


def test_bad_values_are_bad_requests(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="smollm2", messages=ASK, temperature=-1)
    assert caught.value.param == "temperature"


def test_the_async_client_streams_two_at_once(served: Home) -> None:
    async def answers() -> tuple[str, str]:
        async with openai.AsyncOpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0) as sdk:

            async def ask() -> str:
                text = ""
                stream = await sdk.chat.completions.create(
                    model="smollm2", messages=ASK, temperature=0, max_tokens=10, stream=True
                )
                async for chunk in stream:
                    text += chunk.choices[0].delta.content or ""
                return text

            return await asyncio.gather(ask(), ask())

    first, second = asyncio.run(answers())
    assert first
    assert first == second
