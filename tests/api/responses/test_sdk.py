"""The real OpenAI SDK on `/v1/responses`, over TCP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from omlx_daemon.core.requests import ChatPrompt, Message, ToolMode
from tests.api.serving import Served

ANSWER = "The sky is blue."
LOOK: Any = {
    "type": "function",
    "name": "look",
    "parameters": {"type": "object", "properties": {"at": {}}},
    "strict": True,
}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /x/"}
PATCH: Any = {"type": "custom", "name": "wait", "description": "Waits.", "format": GRAMMAR}
SEARCH: Any = {"type": "web_search", "external_web_access": False}


@pytest.fixture(scope="module")
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def prompt_of(served: Served) -> ChatPrompt:
    prompt = served.inference.requests[-1].prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def test_whole(sdk: openai.OpenAI, served: Served) -> None:
    reply = sdk.responses.create(model="sky", input="Why?", instructions="Be brief.", metadata={"a": "b"})
    assert (reply.status, reply.output_text, reply.object) == ("completed", ANSWER, "response")
    assert (reply.metadata, reply.instructions, reply.parallel_tool_calls) == ({"a": "b"}, "Be brief.", True)
    assert reply.usage is not None
    assert (reply.usage.input_tokens, reply.usage.input_tokens_details.cached_tokens) == (7, 2)
    assert (reply.usage.output_tokens, reply.usage.total_tokens) == (5, 12)
    assert prompt_of(served).messages == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Why?"),
    )


def test_the_streaming_helper_gathers_what_a_whole_response_holds(sdk: openai.OpenAI) -> None:
    for model in ("sky", "agent", "taking-back", "thinking"):
        whole = sdk.responses.create(model=model, input="Why?", tools=[LOOK, PATCH])
        with sdk.responses.stream(model=model, input="Why?", tools=[LOOK, PATCH]) as stream:
            numbers = [event.sequence_number for event in stream]
            gathered = stream.get_final_response()
        assert numbers == list(range(len(numbers)))
        assert [_shown(item) for item in gathered.output] == [_shown(item) for item in whole.output]
        assert gathered.usage == whole.usage


def _shown(item: Any) -> dict[str, Any]:
    shown: dict[str, Any] = item.model_dump(exclude={"id", "parsed_arguments"})
    for part in shown.get("content") or []:
        part.pop("parsed", None)
    return shown


def test_calls_of_functions_and_of_custom_tools(sdk: openai.OpenAI) -> None:
    reply = sdk.responses.create(
        model="agent", input="Why?", tools=[LOOK, PATCH], include=["reasoning.encrypted_content"]
    )
    kinds = [item.type for item in reply.output]
    assert kinds == ["reasoning", "message", "function_call", "custom_tool_call"]
    thought, said, look, wait = reply.output
    assert thought.type == "reasoning"
    assert thought.content is not None
    assert thought.content[0].text == "Two places to look."
    assert thought.encrypted_content
    assert said.type == "message"
    assert reply.output_text == "\n\nI will look.\n"
    assert look.type == "function_call"
    assert (look.call_id, look.name, look.arguments) == ("call_1", "look", '{"at": "sky"}')
    assert wait.type == "custom_tool_call"
    assert (wait.call_id, wait.name, wait.input) == ("call_2", "wait", "{}")


def test_tools_of_a_namespace_and_hosted_search(sdk: openai.OpenAI, served: Served) -> None:
    space: Any = {"type": "namespace", "name": "eyes", "description": "Looks.", "tools": [LOOK]}
    reply = sdk.responses.create(model="sky", input="x", tools=[space, PATCH, SEARCH], tool_choice="required")
    functions: Any = [tool["function"] for tool in prompt_of(served).tools]
    assert [function["name"] for function in functions] == ["eyes__look", "wait"]
    assert functions[1]["parameters"]["required"] == ["input"]
    assert "start: /x/" in functions[1]["description"]
    assert served.inference.requests[-1].tool_choice.mode is ToolMode.REQUIRED
    assert reply.model_extra is not None
    assert reply.model_extra["warnings"] == ["tools[2]: there is no hosted web search; the model is not told of it"]
    named: Any = {"type": "function", "name": "look", "namespace": "eyes"}
    sdk.responses.create(model="sky", input="x", tools=[space], tool_choice=named, parallel_tool_calls=False)
    choice = served.inference.requests[-1].tool_choice
    assert (choice.mode, choice.name, choice.parallel) == (ToolMode.NAMED, "eyes__look", False)


def test_a_conversation_goes_on_from_an_id(sdk: openai.OpenAI, served: Served) -> None:
    first = sdk.responses.create(model="agent", input="Why?", instructions="Old.", tools=[LOOK, PATCH])
    outputs: Any = [
        {"type": "function_call_output", "call_id": "call_1", "output": "blue"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "waited"},
    ]
    second = sdk.responses.create(
        model="sky", input=outputs, previous_response_id=first.id, instructions="New.", tools=[LOOK, PATCH]
    )
    messages = prompt_of(served).messages
    assert [message.role for message in messages] == ["system", "user", "assistant", "tool", "tool"]
    assert (messages[0].content, messages[2].reasoning) == ("New.", "Two places to look.")
    assert [call["id"] for call in messages[2].tool_calls] == ["call_1", "call_2"]
    third = sdk.responses.create(model="sky", input="And now?", previous_response_id=second.id)
    assert [message.content for message in prompt_of(served).messages[-2:]] == [ANSWER, "And now?"]
    assert (third.previous_response_id, len(prompt_of(served).messages)) == (second.id, 6)


def test_responses_are_read_and_forgotten(sdk: openai.OpenAI) -> None:
    made = sdk.responses.create(model="sky", input="Why?")
    assert sdk.responses.retrieve(made.id).output_text == ANSWER
    sdk.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve(made.id)
    unkept = sdk.responses.create(model="sky", input="Why?", store=False)
    with pytest.raises(openai.NotFoundError, match="send the whole conversation"):
        sdk.responses.create(model="sky", input="x", previous_response_id=unkept.id)


def test_an_answer_that_is_cut(sdk: openai.OpenAI) -> None:
    reply = sdk.responses.create(model="sky", input="Why?", max_output_tokens=2)
    assert (reply.status, reply.output_text) == ("incomplete", "The sky")
    assert reply.incomplete_details is not None
    assert reply.incomplete_details.reason == "max_output_tokens"


def test_formats_and_reasoning(sdk: openai.OpenAI, served: Served) -> None:
    schema: Any = {"type": "json_schema", "name": "s", "schema": {"type": "object"}, "strict": True}
    sdk.responses.create(model="sky", input="x", text={"format": schema}, reasoning={"effort": "low"})
    asked = served.inference.requests[-1]
    assert asked.response_format is not None
    assert (asked.response_format.schema, asked.response_format.strict) == ({"type": "object"}, True)
    assert asked.reasoning.effort == "low"
    sdk.responses.create(model="sky", input="x", text={"format": {"type": "json_object"}}, reasoning={"effort": "none"})
    asked = served.inference.requests[-1]
    assert asked.response_format is not None
    assert asked.response_format.schema is None
    assert asked.reasoning.enabled is False


def test_sampling_beside_openai_s_own(sdk: openai.OpenAI, served: Served) -> None:
    given = {"stop": "x", "logit_bias": {"5": -100}, "presence_penalty": 1, "frequency_penalty": -1, "ignore_eos": True}
    sdk.responses.create(model="sky", input="x", extra_body=given)
    sampling = served.inference.requests[-1].sampling
    assert (sampling.stop, sampling.logit_bias, sampling.ignore_eos) == (("x",), {5: -100}, True)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (1, -1)


def test_wishes_that_no_model_can_heed_are_spoken_of(sdk: openai.OpenAI) -> None:
    reply = sdk.responses.create(model="sky", input="x", text={"verbosity": "low"}, reasoning={"context": "all_turns"})
    assert reply.model_extra is not None
    assert [warning.partition(":")[0] for warning in reply.model_extra["warnings"]] == [
        "text.verbosity",
        "reasoning.context",
    ]


def test_log_probabilities(sdk: openai.OpenAI) -> None:
    reply = sdk.responses.create(model="sky", input="x", include=["message.output_text.logprobs"], top_logprobs=2)
    message = reply.output[0]
    assert message.type == "message"
    part = message.content[0]
    assert part.type == "output_text"
    assert part.logprobs is not None
    assert "".join(token.token for token in part.logprobs) == ANSWER
    assert all(len(token.top_logprobs) == 2 for token in part.logprobs)


def test_a_prompt_that_is_too_long_is_told_where_agents_look_for_it(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="9018"):
        sdk.responses.create(model="long", input="x")
    *_, last = sdk.responses.create(model="long", input="x", stream=True)
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert str(last.response.error.code) == "context_length_exceeded"
