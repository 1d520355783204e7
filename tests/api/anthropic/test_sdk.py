"""The real Anthropic SDK, over TCP."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import anthropic
import pytest
from anthropic.types import DocumentBlockParam, MessageParam, ToolParam, ToolResultBlockParam
from pydantic import BaseModel

from omlx_cli.contract.settings import ServerSettings
from omlx_daemon.core.requests import ChatPrompt
from tests.api.serving import Served, serving, until

ASK: list[MessageParam] = [{"role": "user", "content": "Why is the sky blue?"}]
ANSWER = "The sky is blue."
COUNTS = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
TOOLS: list[ToolParam] = [
    {"name": "look", "description": "Looks up.", "input_schema": {"type": "object", "properties": {"at": {}}}},
    {"name": "wait", "input_schema": {"type": "object"}},
]


@pytest.fixture(scope="module")
def sdk(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.url, api_key="none", max_retries=0, timeout=20) as client:
        yield client


def test_whole(sdk: anthropic.Anthropic) -> None:
    reply = sdk.messages.create(model="sky", max_tokens=64, messages=ASK, system="Be brief.")
    assert (reply.type, reply.role, reply.stop_reason, reply.stop_sequence) == (
        "message",
        "assistant",
        "end_turn",
        None,
    )
    assert [block.text for block in reply.content if block.type == "text"] == [ANSWER]
    assert (reply.usage.input_tokens, reply.usage.cache_read_input_tokens, reply.usage.output_tokens) == (5, 2, 5)
    assert reply._request_id is not None
    assert reply.id.removeprefix("msg_") == reply._request_id.removeprefix("req_")


def test_raw_stream(sdk: anthropic.Anthropic) -> None:
    events = list(sdk.messages.create(model="sky", max_tokens=64, messages=ASK, stream=True))
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 5,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]


def test_the_streaming_helper_gathers_what_a_whole_message_holds(sdk: anthropic.Anthropic) -> None:
    for model in ("sky", "agent", "taking-back"):
        whole = sdk.messages.create(model=model, max_tokens=64, messages=ASK)
        with sdk.messages.stream(model=model, max_tokens=64, messages=ASK) as stream:
            gathered = stream.get_final_message()
        assert [shown(block) for block in gathered.content] == [shown(block) for block in whole.content]
        assert (gathered.stop_reason, gathered.stop_sequence) == (whole.stop_reason, whole.stop_sequence)
        for count in COUNTS:
            assert getattr(gathered.usage, count) == getattr(whole.usage, count)


def shown(block: BaseModel) -> dict[str, object]:
    """Return a block without what the helper makes of it."""
    return block.model_dump(exclude={"parsed_output"})


def test_text_of_a_stream(sdk: anthropic.Anthropic) -> None:
    with sdk.messages.stream(model="sky", max_tokens=64, messages=ASK) as stream:
        assert "".join(stream.text_stream) == ANSWER


def test_stop_sequences_and_length(sdk: anthropic.Anthropic) -> None:
    stopped = sdk.messages.create(model="sky", max_tokens=64, messages=ASK, stop_sequences=["is"])
    assert (stopped.stop_reason, stopped.stop_sequence) == ("stop_sequence", " is")
    cut = sdk.messages.create(model="sky", max_tokens=2, messages=ASK)
    assert cut.stop_reason == "max_tokens"


def test_a_tools_round_trip(sdk: anthropic.Anthropic, served: Served) -> None:
    reply = sdk.messages.create(model="agent", max_tokens=64, messages=ASK, tools=TOOLS, tool_choice={"type": "any"})
    assert reply.stop_reason == "tool_use"
    thinking, text, look, wait = reply.content
    assert (thinking.type, text.type, look.type, wait.type) == ("thinking", "text", "tool_use", "tool_use")
    assert look.type == "tool_use"
    assert (look.id, look.name, look.input) == ("call_1", "look", {"at": "sky"})
    answered: list[MessageParam] = [
        *ASK,
        {"role": "assistant", "content": reply.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": look.id, "content": "blue"}]},
    ]
    sdk.messages.create(model="sky", max_tokens=64, messages=answered, tools=TOOLS)
    prompt = served.inference.requests[-1].prompt
    assert isinstance(prompt, ChatPrompt)
    _, answer, result = prompt.messages
    assert (answer.reasoning, [call["id"] for call in answer.tool_calls]) == (
        "Two places to look.",
        ["call_1", "call_2"],
    )
    assert (result.role, result.name, result.content) == ("tool", "look", "blue")


def test_documents(sdk: anthropic.Anthropic, served: Served) -> None:
    paper: DocumentBlockParam = {
        "type": "document",
        "source": {"type": "text", "media_type": "text/plain", "data": "Blue light scatters."},
        "title": "On light",
        "cache_control": {"type": "ephemeral"},
        "citations": {"enabled": True},
    }
    table: DocumentBlockParam = {"type": "document", "source": {"type": "content", "content": "400 nm"}}
    result: ToolResultBlockParam = {"type": "tool_result", "tool_use_id": "call_1", "content": [table]}
    asked: list[MessageParam] = [
        {"role": "user", "content": [paper, {"type": "text", "text": "Why?"}]},
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "call_1", "name": "look", "input": {}}],
        },
        {"role": "user", "content": [result]},
    ]
    reply = sdk.messages.create(model="sky", max_tokens=64, messages=asked, tools=TOOLS)
    assert reply.model_extra is not None
    assert reply.model_extra["warnings"] == [
        "messages[0].content[0].citations is not honoured; the model reads its documents and cites nothing"
    ]
    assert sdk.messages.count_tokens(model="sky", messages=asked, tools=TOOLS).input_tokens == 7
    answered, counted = (request.prompt for request in served.inference.requests[-2:])
    assert answered == counted
    assert isinstance(answered, ChatPrompt)
    assert [message.content for message in answered.messages] == [
        "<document>\n<title>On light</title>\n"
        "<document_content>\nBlue light scatters.\n</document_content>\n</document>\n\nWhy?",
        "",
        "<document>\n<document_content>\n400 nm\n</document_content>\n</document>",
    ]
    pdf: DocumentBlockParam = {
        "type": "document",
        "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
    }
    with pytest.raises(anthropic.BadRequestError, match="source: base64 documents are not supported"):
        sdk.messages.create(model="sky", max_tokens=64, messages=[{"role": "user", "content": [pdf]}])


def test_beta_messages(sdk: anthropic.Anthropic) -> None:
    reply = sdk.beta.messages.create(
        model="sky",
        max_tokens=64,
        messages=[{"role": "user", "content": "hi"}],
        betas=["context-management-2025-06-27", "interleaved-thinking-2025-05-14"],
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
    )
    assert reply.context_management is not None
    assert reply.context_management.applied_edits == []


def test_count_tokens(sdk: anthropic.Anthropic, served: Served) -> None:
    before = len(served.inference.requests)
    found = sdk.messages.count_tokens(model="sky", messages=ASK, system="Be brief.", tools=TOOLS)
    assert found.input_tokens == 7
    (asked,) = served.inference.requests[before:]
    assert asked.count_only
    raw = sdk.messages.with_raw_response.count_tokens(model="sky", messages=ASK)
    assert raw.headers["x-omlx-true-input-tokens"] == "7"
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.count_tokens(model="skyy", messages=ASK)
    with pytest.raises(anthropic.InternalServerError, match="signal 9"):
        sdk.messages.count_tokens(model="crashing", messages=ASK)


def test_models(sdk: anthropic.Anthropic) -> None:
    assert [model.id for model in sdk.models.list(limit=1)] == ["sky", "org/sky"]
    assert sdk.models.retrieve("org/sky").display_name == "org/sky"


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("skyy", anthropic.NotFoundError, "not here"),
        ("long", anthropic.BadRequestError, "prompt is too long: 9018 tokens > 8192 maximum"),
        ("full", anthropic.OverloadedError, "waiting already"),
        ("raising", anthropic.InternalServerError, "failed on request"),
    ],
)
@pytest.mark.parametrize("stream", [True, False])
def test_error_classes(
    sdk: anthropic.Anthropic, model: str, kind: type[anthropic.APIStatusError], words: str, stream: bool
) -> None:
    with pytest.raises(kind, match=words) as caught:
        sdk.messages.create(model=model, max_tokens=64, messages=ASK, stream=stream)
    assert caught.value.request_id is not None


def test_an_error_in_a_stream(sdk: anthropic.Anthropic) -> None:
    said = ""
    with (
        pytest.raises(anthropic.APIStatusError, match="signal 9"),
        sdk.messages.stream(model="crashing", max_tokens=64, messages=ASK) as stream,
    ):
        for text in stream.text_stream:
            said += text
    assert said == "The"


def test_pings_before_and_within_a_message_disturb_nobody(socket_folder: Path) -> None:
    with (
        serving(socket_folder / "p", ServerSettings(keep_alive="20ms")) as served,
        anthropic.Anthropic(base_url=served.url, api_key="none", max_retries=0) as client,
    ):
        for model in ("loading-slowly", "prefilling"):
            with client.messages.stream(model=model, max_tokens=64, messages=ASK) as stream:
                assert stream.get_final_text() == "ok"


def test_async(served: Served) -> None:
    async def ask() -> list[str]:
        async with anthropic.AsyncAnthropic(base_url=served.url, api_key="none", max_retries=0) as client:
            whole = await client.messages.create(model="sky", max_tokens=64, messages=ASK)
            async with client.messages.stream(model="sky", max_tokens=64, messages=ASK) as stream:
                return [block.text for block in whole.content if block.type == "text"] + [await stream.get_final_text()]

    assert asyncio.run(ask()) == [ANSWER, ANSWER]


def test_whoever_leaves_is_not_worked_for_any_longer(sdk: anthropic.Anthropic, served: Served) -> None:
    with sdk.messages.stream(model="endless", max_tokens=64, messages=ASK) as stream:
        next(iter(stream.text_stream))
    with pytest.raises(anthropic.APITimeoutError):
        sdk.with_options(timeout=0.2).messages.create(model="loading", max_tokens=64, messages=ASK)
    until(lambda: served.inference.started == served.inference.closed)
