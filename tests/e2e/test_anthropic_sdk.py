"""The real Anthropic SDK against the real daemon, over TCP."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import anthropic
import pytest
from anthropic.types import JSONOutputFormatParam, Message, MessageParam

from tests.e2e.conftest import Home, make_home
from tests.waiting import wait_until

pytestmark = pytest.mark.model
ASK: list[MessageParam] = [{"role": "user", "content": "Why is the sky blue?"}]
GREEDY = {"temperature": 0}
CONTEXT_TOKENS = 1024
WINDOW_TOKENS = 200_000
LONG_LIST: JSONOutputFormatParam = {
    "type": "json_schema",
    "schema": {"type": "array", "items": {"type": "integer"}, "minItems": 10_000},
}
CONFIG = f"""
[server]
port = 0

[anthropic]
haiku = "smollm2"
client_window = {WINDOW_TOKENS}

[model]
context_limit = {CONTEXT_TOKENS}
"""


@pytest.fixture(scope="module")
def client(served: Home) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=served.base_url, api_key="unused", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory, smollm2_path: Path) -> Iterator[anthropic.Anthropic]:
    """Return a client of a daemon whose model has a small context, and whose clients believe in a large one."""
    home = make_home(tmp_path_factory.mktemp("scaled"), smollm2_path)
    (home.path / "config.toml").write_text(CONFIG)
    try:
        assert home.run("load", "smollm2").returncode == 0
        with anthropic.Anthropic(base_url=home.base_url, api_key="unused", max_retries=0) as sdk:
            yield sdk
    finally:
        home.stop()


def text(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def prompt_tokens(message: Message) -> int:
    usage = message.usage
    return usage.input_tokens + (usage.cache_read_input_tokens or 0) + (usage.cache_creation_input_tokens or 0)


def requested_tokens(sdk: anthropic.Anthropic) -> int:
    """Return how many tokens all prompts had, as the metrics tell."""
    with urllib.request.urlopen(f"{str(sdk.base_url).rstrip('/')}/metrics", timeout=60) as reply:
        told = re.findall(r"^omlx_cache_requested_tokens_total\{.*\} (\d+)$", reply.read().decode(), re.MULTILINE)
    return sum(map(int, told))


def test_a_streamed_message_is_the_whole_one(client: anthropic.Anthropic) -> None:
    whole = client.messages.create(model="smollm2", max_tokens=16, messages=ASK, extra_body=GREEDY)
    assert text(whole)
    assert (whole.stop_reason, whole.usage.output_tokens) == ("max_tokens", 16)
    with client.messages.stream(model="smollm2", max_tokens=16, messages=ASK, extra_body=GREEDY) as stream:
        pieces = list(stream.text_stream)
        gathered = stream.get_final_message()
    assert "".join(pieces) == text(whole)
    assert len(pieces) > 4
    assert prompt_tokens(gathered) == prompt_tokens(whole)


def test_what_is_created_is_read_the_next_time(client: anthropic.Anthropic) -> None:
    system = "You are a guide who knows every star. " * 40
    first, second = (
        client.messages.create(model="smollm2", max_tokens=4, messages=ASK, system=system, extra_body=GREEDY)
        for _ in range(2)
    )
    length = prompt_tokens(first)
    assert length > 256
    assert (first.usage.cache_read_input_tokens or 0) < length - 1
    assert first.usage.input_tokens == 1
    assert (second.usage.cache_read_input_tokens, second.usage.cache_creation_input_tokens) == (length - 1, 0)
    assert (prompt_tokens(second), text(second)) == (length, text(first))


def test_a_count_is_the_prompt_that_a_message_has(client: anthropic.Anthropic) -> None:
    counted = client.messages.count_tokens(model="smollm2", messages=ASK, system="Be brief.")
    answered = client.messages.create(model="smollm2", max_tokens=1, messages=ASK, system="Be brief.")
    assert counted.input_tokens == prompt_tokens(answered)
    words: list[MessageParam] = [{"role": "user", "content": "word " * 9000}]
    assert client.messages.count_tokens(model="smollm2", messages=words).input_tokens > 9000


def test_a_begun_answer_goes_on(client: anthropic.Anthropic) -> None:
    whole = text(client.messages.create(model="smollm2", max_tokens=16, messages=ASK, extra_body=GREEDY))
    begun = whole[: len(whole) // 2].rstrip()
    asked: list[MessageParam] = [*ASK, {"role": "assistant", "content": begun}]
    reply = client.messages.create(model="smollm2", max_tokens=4, messages=asked, extra_body=GREEDY)
    assert whole.startswith(begun + text(reply)[:3])


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    whole = text(client.messages.create(model="smollm2", max_tokens=24, messages=ASK, extra_body=GREEDY))
    stop = whole[len(whole) // 2 :][:6]
    reply = client.messages.create(
        model="smollm2", max_tokens=24, messages=ASK, extra_body=GREEDY, stop_sequences=[stop]
    )
    assert (reply.stop_reason, reply.stop_sequence) == ("stop_sequence", stop)
    assert text(reply) == whole[: whole.index(stop)]


def test_a_prompt_is_kept_without_an_answer(client: anthropic.Anthropic) -> None:
    asked: list[MessageParam] = [{"role": "user", "content": "Tell me of the moon. " * 60}]
    warmed = client.messages.create(model="smollm2", max_tokens=0, messages=asked)
    assert (warmed.content, warmed.usage.output_tokens) == ([], 0)
    reply = client.messages.create(model="smollm2", max_tokens=1, messages=asked)
    assert reply.usage.cache_read_input_tokens == prompt_tokens(reply) - 1


def test_a_prompt_over_the_context_says_so_in_the_words_that_compact(client: anthropic.Anthropic) -> None:
    words: list[MessageParam] = [{"role": "user", "content": "word " * 9000}]
    with pytest.raises(anthropic.BadRequestError, match=r"prompt is too long: 90\d\d tokens > 8192 maximum"):
        client.messages.create(model="smollm2", max_tokens=16, messages=words)


def test_an_unknown_name_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError, match=r"anthropic\.default"):
        client.messages.create(model="claude-opus-4-5", max_tokens=16, messages=ASK)


def test_models(client: anthropic.Anthropic) -> None:
    listed = {model.id: model.max_input_tokens for model in client.models.list()}
    assert listed["smollm2"] == 8192
    assert client.models.retrieve("smollm2").type == "model"


def test_counts_are_told_in_the_clients_measure(scaled: anthropic.Anthropic) -> None:
    before = requested_tokens(scaled)
    raw = scaled.messages.with_raw_response.create(
        model="claude-haiku-4-5", max_tokens=8, messages=ASK, extra_body=GREEDY
    )
    message = raw.parse()
    assert message.model == "claude-haiku-4-5"
    true_tokens = int(raw.headers["x-omlx-true-input-tokens"])
    expected = -(-true_tokens * WINDOW_TOKENS // CONTEXT_TOKENS)
    assert prompt_tokens(message) == expected
    assert message.usage.output_tokens == -(-8 * WINDOW_TOKENS // CONTEXT_TOKENS)
    wait_until(lambda: requested_tokens(scaled) == before + true_tokens)
    counted = scaled.messages.count_tokens(model="claude-haiku-4-5", messages=ASK)
    assert counted.input_tokens == expected
    assert true_tokens < CONTEXT_TOKENS < expected


def test_a_conversation_ends_at_the_real_limit_and_was_told_so_before(scaled: anthropic.Anthropic) -> None:
    """A client that compacts near its window does so before the model's context is full."""
    talk: list[MessageParam] = [{"role": "user", "content": "Tell me of the sea."}]
    told = 0
    while told < WINDOW_TOKENS * 5 // 6:
        talk.append({"role": "assistant", "content": "It is wide. " * 20})
        talk.append({"role": "user", "content": "And then?"})
        told = prompt_tokens(scaled.messages.create(model="smollm2", max_tokens=1, messages=talk))
        assert told < WINDOW_TOKENS
    counted = (
        scaled.messages.count_tokens(model="smollm2", messages=talk).input_tokens * CONTEXT_TOKENS // WINDOW_TOKENS
    )
    room = CONTEXT_TOKENS - counted
    filled = scaled.messages.create(
        model="smollm2", max_tokens=16_000, messages=talk, output_config={"format": LONG_LIST}, extra_body=GREEDY
    )
    assert filled.stop_reason == "model_context_window_exceeded"
    assert filled.usage.output_tokens == -(-room * WINDOW_TOKENS // CONTEXT_TOKENS)
    talk[-1] = {"role": "user", "content": "And then? " * 400}
    with pytest.raises(anthropic.BadRequestError, match=rf"prompt is too long: \d+ tokens > {CONTEXT_TOKENS} maximum"):
        scaled.messages.create(model="smollm2", max_tokens=1, messages=talk)
