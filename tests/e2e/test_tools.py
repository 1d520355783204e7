"""Tools and reasoning through the real daemon and a real worker, by the real OpenAI SDK over TCP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk, ChatCompletionToolParam

from tests.e2e.conftest import Home, make_home
from tests.worker.scripted import write_scripted

PATH = "a dir/ü.py"
SCRIPTS = {
    "agent": [
        *("<think>", "\nTwo", " places.", "\n</th", "ink>\n", "\nI", " look", ".\n<tool", "_call>\n"),
        *('{"name": "lo', 'ok", ', '"arguments": {"at": "sky', " and", ' sea"', "}}", "\n</tool_call>"),
        *("\n<tool_call>", '{"name":"write_file",', '"arguments":{"path":"a dir/ü.py",'),
        *('"text":"print(1)\\n"}', "}</tool_", "call>\n"),
    ],
    "broken": ["Well, <tool_call>", '{"name":', ' "look", "arguments"', ': {"at": so', "rry}}", "</tool_call> there."],
    "cut": ["<tool_call>{", '"name": "look", "argu', 'ments": {"at": "a ', "very", " long", " story"],
    "plain": ["The sky", " is", " blue."],
    "over": ["stop here <think>", "is no", " thought"],
}
TOOLS: list[ChatCompletionToolParam] = [
    {
        "type": "function",
        "function": {"name": name, "parameters": {"type": "object", "properties": {key: {"type": "string"}}}},
    }
    for name, key in (("look", "at"), ("write_file", "path"))
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("tools")
    made = make_home(folder, write_scripted(folder / "scripted", SCRIPTS))
    loaded = made.run("load", "scripted", "--ttl", "never")
    assert loaded.returncode == 0, loaded.stderr
    yield made
    made.stop()


@pytest.fixture(scope="module")
def sdk(home: Home) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{home.base_url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
        yield client


def ask(sdk: openai.OpenAI, script: str, **fields: Any) -> Any:
    messages: Any = [{"role": "user", "content": script}]
    return sdk.chat.completions.create(model="scripted", messages=messages, **{"temperature": 0, **fields})


def extra(message: Any, name: str) -> Any:
    return (message.model_extra or {}).get(name)


def test_reasoning_text_and_two_calls_whole(sdk: openai.OpenAI) -> None:
    reply = ask(sdk, "agent", tools=TOOLS)
    choice = reply.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", "I look.")
    assert extra(choice.message, "reasoning_content") == "Two places."
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert calls == [("look", {"at": "sky and sea"}), ("write_file", {"path": PATH, "text": "print(1)\n"})]
    assert len({call.id for call in choice.message.tool_calls}) == 2
    assert all(call.id.startswith("call_") for call in choice.message.tool_calls)
    assert reply.usage.completion_tokens_details.reasoning_tokens == 5
    assert extra(choice.message, "warning") is None


def test_a_stream_comes_to_the_same(sdk: openai.OpenAI) -> None:
    whole = ask(sdk, "agent", tools=TOOLS).choices[0].message
    with sdk.chat.completions.stream(
        model="scripted", messages=[{"role": "user", "content": "agent"}], tools=TOOLS, temperature=0
    ) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == whole.content
    assert [call.function.arguments for call in message.tool_calls or []] == [
        call.function.arguments for call in whole.tool_calls
    ]


def test_arguments_are_streamed_as_they_come(sdk: openai.OpenAI) -> None:
    chunks: list[ChatCompletionChunk] = list(ask(sdk, "agent", tools=TOOLS, stream=True))
    pieces = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    first = [piece for piece in pieces if piece.index == 0]
    assert [piece.function.name for piece in first if piece.function] == ["look", *[None] * (len(first) - 1)]
    assert [piece.id is not None for piece in first] == [True, *[False] * (len(first) - 1)]
    assert len([piece for piece in first if piece.function and piece.function.arguments]) >= 4


def test_a_call_that_cannot_be_read_is_content_with_a_warning(sdk: openai.OpenAI) -> None:
    choice = ask(sdk, "broken", tools=TOOLS).choices[0]
    assert (choice.finish_reason, choice.message.tool_calls) == ("stop", None)
    assert choice.message.content == "".join(SCRIPTS["broken"])
    assert "not understood" in extra(choice.message, "warning")
    chunks = list(ask(sdk, "broken", tools=TOOLS, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "".join(SCRIPTS["broken"])
    assert "not understood" in extra(chunks[-1].choices[0].delta, "warning")


def test_a_call_that_is_cut_off_is_content_with_a_warning(sdk: openai.OpenAI) -> None:
    choice = ask(sdk, "cut", tools=TOOLS, max_tokens=4).choices[0]
    assert (choice.finish_reason, choice.message.tool_calls) == ("length", None)
    assert choice.message.content == "".join(SCRIPTS["cut"][:4])
    assert extra(choice.message, "warning")


def test_none_keeps_the_tools_in_the_prompt_and_parses_nothing(sdk: openai.OpenAI) -> None:
    none, auto = (ask(sdk, "agent", tools=TOOLS, tool_choice=choice) for choice in ("none", "auto"))
    assert none.usage.prompt_tokens == auto.usage.prompt_tokens
    assert none.choices[0].finish_reason == "stop"
    assert none.choices[0].message.tool_calls is None
    assert '{"name": "look", "arguments": {"at": "sky and sea"}}' in none.choices[0].message.content


def test_one_call_where_one_is_wanted_at_most(sdk: openai.OpenAI) -> None:
    choice = ask(sdk, "agent", tools=TOOLS, parallel_tool_calls=False).choices[0]
    assert [call.function.name for call in choice.message.tool_calls] == ["look"]


def test_the_whole_turn_goes_back_into_the_prompt(sdk: openai.OpenAI) -> None:
    said = ask(sdk, "agent", tools=TOOLS).choices[0].message
    results = [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in said.tool_calls]
    messages: Any = [{"role": "user", "content": "plain"}, said.to_dict(), *results]
    reply = sdk.chat.completions.create(model="scripted", messages=messages, tools=TOOLS, temperature=0)
    assert reply.choices[0].message.content == "The sky is blue."


def test_reasoning_is_turned_off_by_effort(sdk: openai.OpenAI) -> None:
    on, off = (ask(sdk, "plain", reasoning_effort=effort) for effort in ("high", "none"))
    assert off.usage.prompt_tokens > on.usage.prompt_tokens
    assert off.choices[0].message.content == on.choices[0].message.content == "The sky is blue."


def test_an_answer_that_only_speaks_of_thinking(sdk: openai.OpenAI) -> None:
    assert ask(sdk, "over").choices[0].message.content == "".join(SCRIPTS["over"])


def test_logprobs_stay_with_the_content(sdk: openai.OpenAI) -> None:
    choice = ask(sdk, "agent", tools=TOOLS, logprobs=True).choices[0]
    tokens = [entry.token for entry in choice.logprobs.content]
    assert tokens == ["\nI", " look"]


def test_the_model_is_listed_with_what_it_can_do(sdk: openai.OpenAI) -> None:
    model = sdk.models.retrieve("scripted")
    assert extra(model, "context_length") == 4096
    assert extra(model, "capabilities") == {"tools": True, "reasoning": True, "vision": False, "json_schema": True}


def test_a_model_without_tools_says_so(home: Home, tmp_path: Path) -> None:
    bare = write_scripted(tmp_path / "bare", {"plain": ["Just", " text."]})
    settings = json.loads((bare / "tokenizer_config.json").read_text())
    settings["chat_template"] = "{% for message in messages %}{{ message.content }}{% endfor %}<|say plain|>"
    (bare / "tokenizer_config.json").write_text(json.dumps(settings))
    with openai.OpenAI(base_url=f"{home.base_url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
        reply = client.chat.completions.create(
            model=str(bare), messages=[{"role": "user", "content": "x"}], tools=TOOLS, temperature=0
        )
    message = reply.choices[0].message
    assert message.content == "Just text."
    assert "shows it no tools" in extra(message, "warning")
