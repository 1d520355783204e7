"""Whole chat answers, and how a body becomes a request."""

from __future__ import annotations

import math
from typing import Any

import pytest

from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Priority, ReasoningOptions
from tests.api.scripts import PROMPT_TOKENS, text_of
from tests.api.serving import Served

CHAT = "/v1/chat/completions"
ASK = [{"role": "user", "content": "Why is the sky blue?"}]


def chat(served: Served, **fields: object) -> Any:
    answer = served.ask("POST", CHAT, {"model": "sky", "messages": ASK, **fields})
    assert answer.status == 200, answer.text
    return answer.json


def request_of(served: Served, **fields: object) -> GenerationRequest:
    chat(served, **fields)
    return served.inference.requests[-1]


def test_a_whole_answer(served: Served) -> None:
    answer = served.ask("POST", CHAT, {"model": "sky", "messages": ASK})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-request-id"].startswith("req_")
    assert int(answer.headers["openai-processing-ms"]) >= 0
    reply = answer.json
    assert reply.pop("id").startswith("chatcmpl-")
    assert reply.pop("created") > 1_700_000_000
    assert reply == {
        "object": "chat.completion",
        "model": "sky",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "The sky is blue.", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": PROMPT_TOKENS,
            "completion_tokens": 5,
            "total_tokens": PROMPT_TOKENS + 5,
            "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 0,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
            "omlx": {"cached_hot_tokens": 2, "cached_cold_tokens": 0, "recomputed_tokens": PROMPT_TOKENS - 2},
        },
    }


def test_each_choice_has_its_own_seed_and_the_prompt_counts_once(served: Served) -> None:
    reply = chat(served, n=3, seed=11)
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2]
    assert reply["usage"]["prompt_tokens"] == PROMPT_TOKENS
    assert reply["usage"]["completion_tokens"] == 15
    assert reply["usage"]["prompt_tokens_details"]["cached_tokens"] == 2
    asked = served.inference.requests[-3:]
    seeds = [request.sampling.seed for request in asked]
    assert seeds[0] == 11
    assert len({request.id for request in asked}) == len(set(seeds)) == 3
    chat(served, n=3, seed=11)
    assert [request.sampling.seed for request in served.inference.requests[-3:]] == seeds


def test_logprobs(served: Served) -> None:
    choice = chat(served, logprobs=True, top_logprobs=2, max_tokens=1)["choices"][0]
    assert choice["finish_reason"] == "length"
    (entry,) = choice["logprobs"]["content"]
    assert entry["token"] == "The"
    assert entry["bytes"] == list(b"The")
    assert [other["token"] for other in entry["top_logprobs"]] == ["The", "The~0"]
    assert chat(served, logprobs=True)["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


def test_reasoning_and_tool_calls(served: Served) -> None:
    reply = chat(served, model="thinking")
    message = reply["choices"][0]["message"]
    assert message["content"] is None
    assert message["reasoning_content"] == "Hmm."
    assert [call["id"] for call in message["tool_calls"]] == ["call_1", "call_2"]
    assert message["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at":"sky"}'}
    assert reply["choices"][0]["finish_reason"] == "tool_calls"
    assert reply["usage"]["completion_tokens_details"]["reasoning_tokens"] == 2


def test_every_sampling_field_arrives(served: Served) -> None:
    sampling = request_of(
        served,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        min_p=0.05,
        repetition_penalty=1.1,
        presence_penalty=-1,
        frequency_penalty=2,
        seed=7,
        logit_bias={"5": -100, "9": 3.5},
        logprobs=True,
        top_logprobs=4,
        stop=["blue", "green"],
        max_tokens=3,
        ignore_eos=True,
    ).sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.min_p) == (0.5, 0.9, 40, 0.05)
    assert (sampling.repetition_penalty, sampling.presence_penalty, sampling.frequency_penalty) == (1.1, -1, 2)
    assert sampling.logit_bias == {5: -100, 9: 3.5}
    assert (sampling.seed, sampling.logprobs, sampling.max_tokens) == (7, 4, 3)
    assert sampling.stop == ("blue", "green")
    assert sampling.ignore_eos


def test_defaults_are_left_to_the_model(served: Served) -> None:
    sampling = request_of(served, temperature=None, stop=None, seed=None).sampling
    assert sampling.temperature is sampling.top_p is sampling.top_k is sampling.seed is sampling.max_tokens is None
    assert sampling.stop == ()


@pytest.mark.parametrize(
    ("given", "top_k"), [({"top_k": -1}, 0), ({"top_k": 0}, 0), ({"top_p": 0}, 1), ({"top_p": 0, "top_k": 9}, 1)]
)
def test_edges_of_top_k_and_top_p(served: Served, given: dict[str, object], top_k: int) -> None:
    sampling = request_of(served, **given).sampling
    assert sampling.top_k == top_k
    assert sampling.top_p is None


def test_max_completion_tokens_wins(served: Served) -> None:
    assert request_of(served, max_tokens=4, max_completion_tokens=2).sampling.max_tokens == 2


def test_a_negative_seed_is_a_seed(served: Served) -> None:
    seed = request_of(served, seed=-5).sampling.seed
    assert seed is not None
    assert 0 <= seed < 2**63


def test_a_stop_string_alone(served: Served) -> None:
    reply = chat(served, stop="is")
    assert reply["choices"][0]["message"]["content"] == "The sky"
    assert reply["choices"][0]["finish_reason"] == "stop"


def test_roles_and_parts(served: Served) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    request = request_of(
        served,
        messages=[
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "hm"},
            {"role": "tool", "content": "42", "tool_call_id": "c"},
        ],
    )
    assert text_of(request) == "system:be brief|user:ab|assistant:|tool:42"
    assert isinstance(request.prompt, ChatPrompt)
    assert request.prompt.messages[2].tool_calls == (call,)
    assert request.prompt.messages[2].reasoning == "hm"
    assert request.prompt.messages[3].tool_call_id == "c"


def test_a_refusal_of_an_earlier_answer_is_what_it_said(served: Served) -> None:
    said = {"role": "assistant", "content": None, "refusal": "I will not."}
    request = request_of(served, messages=[*ASK, said, {**said, "content": "", "refusal": None}, *ASK])
    assert isinstance(request.prompt, ChatPrompt)
    assert [message.content for message in request.prompt.messages[1:3]] == ["I will not.", ""]


def test_a_wish_that_no_model_can_heed_is_spoken_of(served: Served) -> None:
    message = chat(served, verbosity="low", n=2)["choices"][1]["message"]
    assert message["warning"].startswith("verbosity: ")
    body = {"model": "sky", "messages": ASK, "verbosity": "high", "stream": True}
    last = served.ask("POST", "/v1/chat/completions", body).text.split("data: ")[-2]
    assert '"warning":"verbosity: ' in last
    assert "warning" not in chat(served)["choices"][0]["message"]


def test_template_arguments(served: Served) -> None:
    request = request_of(served, chat_template_kwargs={"enable_thinking": False}, reasoning_effort="low")
    assert isinstance(request.prompt, ChatPrompt)
    assert request.prompt.template_kwargs == {"enable_thinking": False}
    assert request.reasoning == ReasoningOptions(effort="low")
    assert request_of(served).reasoning == ReasoningOptions()


def test_client_and_priority(served: Served) -> None:
    request = request_of(served, user="agent-7", priority="interactive")
    assert (request.client, request.priority) == ("agent-7", Priority.INTERACTIVE)
    request = request_of(served)
    assert (request.client, request.priority, request.deadline_s) == ("127.0.0.1", Priority.NORMAL, None)


@pytest.mark.parametrize("given", ["high", "", 1, "INTERACTIVE"])
def test_an_unknown_class_is_refused_with_the_classes(served: Served, given: object) -> None:
    answer = served.ask("POST", "/v1/chat/completions", {"model": "sky", "messages": ASK, "priority": given})
    error = answer.json["error"]
    assert (answer.status, error["param"]) == (400, "priority")
    assert "none of interactive, normal, batch" in error["message"]


@pytest.mark.parametrize(
    ("fields", "deadline_s"),
    [({"deadline_s": 2.5}, 2.5), ({"timeout": 30}, 30.0), ({"timeout": 30, "deadline_s": 2}, 2.0)],
)
def test_deadlines(served: Served, fields: dict[str, object], deadline_s: float) -> None:
    assert request_of(served, **fields).deadline_s == deadline_s


@pytest.mark.parametrize(
    ("given", "keep_alive_s"), [("5m", 300.0), (90, 90.0), (0, 0.0), (-1, math.inf), ("-1m", math.inf), (None, None)]
)
def test_keep_alive(served: Served, given: object, keep_alive_s: float | None) -> None:
    assert request_of(served, keep_alive=given).keep_alive_s == keep_alive_s


@pytest.mark.parametrize("fields", [{"keep_alive": "soon"}, {"keep_alive": []}, {"deadline_s": 0}, {"timeout": -1}])
def test_times_that_are_none_are_refused_by_name(served: Served, fields: dict[str, object]) -> None:
    answer = served.ask("POST", "/v1/chat/completions", {"model": "sky", "messages": ASK, **fields})
    assert (answer.status, answer.json["error"]["param"]) == (400, next(iter(fields)))


def test_the_ids_of_a_request_belong_together(served: Served) -> None:
    answer = served.ask("POST", "/v1/chat/completions", {"model": "sky", "messages": ASK, "n": 2})
    own = answer.headers["x-request-id"]
    assert answer.json["id"] == own.replace("req_", "chatcmpl-")
    assert {request.id for request in served.inference.requests[-2:]} == {f"{own}.0", f"{own}.1"}


@pytest.mark.parametrize(
    "harmless",
    [
        {"user": "u"},
        {"metadata": {"a": "b"}},
        {"store": False},
        {"service_tier": "flex"},
        {"stream_options": {"include_usage": True, "include_obfuscation": False}},
        {"parallel_tool_calls": True},
        {"tools": []},
        {"tools": None, "tool_choice": "auto"},
        {"tool_choice": "none"},
        {"response_format": {"type": "text"}},
        {"modalities": ["text"]},
        {
            "prompt_cache_key": "k",
            "prompt_cache_retention": "24h",
            "prompt_cache_options": {"mode": "explicit"},
            "safety_identifier": "s",
            "verbosity": "medium",
        },
        {"an_extra_of_some_client": {"deep": [1, 2, 3]}},
        {"functions": [], "function_call": None, "audio": None, "prediction": None},
        {"logit_bias": {}, "stop": [], "n": 1, "top_logprobs": None},
    ],
    ids=lambda fields: ",".join(fields),
)
def test_what_changes_nothing_is_accepted(served: Served, harmless: dict[str, object]) -> None:
    assert chat(served, **harmless)["choices"][0]["message"]["content"] == "The sky is blue."
