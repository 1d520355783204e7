"""Answers that follow grammars beside answers that are free, in one batch of a model of random weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.events import Event, FinishReason, Text
from omlx_daemon.core.requests import ChatPrompt, GenerationRequest, Message, ResponseFormat
from tests.worker.bench import ModelBench, ask, failed, finished, text, tokens
from tests.worker.models import CONFIGS, write_model

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 8}, "age": {"type": "integer", "minimum": 0, "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
ENDLESS = {"type": "string", "pattern": "^([a-z]{1,3}|[a-z]{2,9}){1,900}$"}
"""More work than a grammar may be, which shows only after some steps."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ModelBench:
    return ModelBench(write_model(tmp_path_factory.mktemp("models") / "llama"))


def following(
    name: str, schema: Mapping[str, Any] | None, prompt: str = "Who is it?", **sampling: Any
) -> GenerationRequest:
    """Return a request for JSON."""
    request = ask(name, prompt, **{"temperature": 5.0, "max_tokens": 600, **sampling})
    return msgspec.structs.replace(
        request, response_format=ResponseFormat(schema=None if schema is None else dict(schema))
    )


def free(number: int, **sampling: Any) -> GenerationRequest:
    prompt = "Tell me something. " * (number + 1)
    return ask(f"free{number}", prompt, **{"temperature": 0.0, "max_tokens": 60, "ignore_eos": True, **sampling})


def chosen(events: list[Event]) -> list[float]:
    return [entry.chosen.logprob for event in events if isinstance(event, Text) for entry in event.logprobs]


def first_top(events: list[Event]) -> list[int]:
    entries = [entry for event in events if isinstance(event, Text) for entry in event.logprobs]
    return [other.token_id for other in entries[0].top]


def test_free_answers_are_the_same_beside_those_that_follow_grammars(bench: ModelBench) -> None:
    frees = [free(number) for number in range(4)]
    alone = [tokens(events) for events in bench.alone(*frees)]
    others = [following(f"g{n}", PERSON, seed=n) for n in range(4)]
    mixed = bench.run(*(request for pair in zip(frees, others, strict=True) for request in pair))
    assert [tokens(events) for events in mixed[::2]] == alone
    for events in mixed[1::2]:
        assert json.loads(text(events)).keys() == PERSON["properties"].keys()


def test_an_answer_that_follows_a_grammar_is_the_same_in_every_company(bench: ModelBench) -> None:
    alone = bench.alone(*(following(f"a{n}", PERSON, seed=n) for n in range(4)))
    beside = bench.run(*(following(f"b{n}", PERSON, seed=n) for n in range(4)), free(0), free(1))[:4]
    assert [tokens(events) for events in beside] == [tokens(events) for events in alone]
    assert len({text(events) for events in alone}) == 4


@pytest.mark.parametrize("family", sorted(CONFIGS))
def test_it_goes_on_after_a_step_back_as_if_nothing_had_happened(
    family: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = ModelBench(write_model(tmp_path / family, family))
    requests = [following(f"r{n}", PERSON, seed=n) for n in range(2)]
    expected = [tokens(events) for events in bench.alone(*requests)]
    suspended: list[int] = []
    suspend = bench.loaded.runner.suspend

    def noted(uid: int) -> object:
        suspended.append(uid)
        return suspend(uid)

    monkeypatch.setattr(bench.loaded.runner, "suspend", noted)
    room = bench.engine._room
    monkeypatch.setattr(room, "is_exceeded", lambda holding: len(holding) > 1 and sum(s.tokens for s in holding) > 60)
    assert [tokens(events) for events in bench.run(*requests)] == expected
    assert suspended or not bench.loaded.runner.batches


def test_a_grammar_that_becomes_too_much_ends_its_own_answer(bench: ModelBench) -> None:
    quote = dict.fromkeys(bench.loaded.tokenizer.encode_text('"'), -5000.0)
    expected = tokens(bench.alone(free(0))[0])
    broken, fine, neighbour = bench.run(
        following("broken", ENDLESS, seed=1, temperature=50.0, logit_bias=quote, max_tokens=1500),
        following("fine", PERSON, seed=2),
        free(0),
    )
    assert failed(broken).error.code is Code.GENERATION_FAILED
    assert "GrammarError" in failed(broken).error.message
    assert finished(fine).reason is FinishReason.STOP
    assert tokens(neighbour) == expected


@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_what_is_allowed_stays_so_however_low_a_bias_has_put_it(bench: ModelBench, temperature: float) -> None:
    likeliest = set(bench.loaded.tokenizer.encode_text("#"))
    lowest = {token: -3e38 for token in range(bench.loaded.facts.vocabulary_tokens) if token not in likeliest}
    requests = [
        following(f"low{n}", {"type": "boolean"}, seed=n, temperature=temperature, logit_bias=lowest) for n in range(4)
    ]
    assert {text(events) for events in bench.run(*requests)} <= {"true", "false"}


@pytest.mark.parametrize("ignore_eos", [False, True])
def test_an_answer_ends_with_its_grammar(bench: ModelBench, ignore_eos: bool) -> None:
    events = bench.run(following("r", {"enum": ["yes", "no"]}, seed=1, ignore_eos=ignore_eos))[0]
    assert text(events) in ('"yes"', '"no"')
    assert finished(events).reason is FinishReason.STOP
    assert finished(events).usage.completion_tokens == len(text(events))


@pytest.mark.parametrize("ignore_eos", [False, True])
def test_where_it_may_go_on_the_model_ends_it(bench: ModelBench, ignore_eos: bool) -> None:
    events = bench.run(following("r", {"type": "integer"}, seed=3, temperature=20.0, ignore_eos=ignore_eos))[0]
    assert finished(events).reason is FinishReason.STOP
    assert str(int(text(events).removesuffix("</s>"))) in text(events)


def test_a_limit_of_tokens_cuts_it_and_says_so(bench: ModelBench) -> None:
    events = bench.run(following("r", PERSON, seed=1, max_tokens=5))[0]
    assert finished(events).reason is FinishReason.LENGTH
    assert len(tokens(events)) == 5


def test_a_stop_string_ends_it_early(bench: ModelBench) -> None:
    events = bench.run(following("r", PERSON, seed=1, stop=('"age"',)))[0]
    assert finished(events).stop_text == '"age"'
    assert text(events).lstrip().startswith("{")
    assert "age" not in text(events)


@pytest.mark.parametrize(
    "sampling",
    [
        {"top_k": 1},
        {"top_k": 2, "top_p": 0.1},
        {"min_p": 0.9},
        {"temperature": 0.0},
        {"repetition_penalty": 1.8, "presence_penalty": 2.0, "frequency_penalty": 2.0},
    ],
)
def test_it_is_followed_however_tokens_are_chosen(bench: ModelBench, sampling: dict[str, Any]) -> None:
    schema = {"type": "array", "items": {"enum": ["a", "b", 1]}, "minItems": 3, "maxItems": 3}
    events = bench.run(following("r", schema, **{"seed": 4, "temperature": 3.0, **sampling}))[0]
    assert len(json.loads(text(events))) == 3


def test_no_bias_forbids_all_that_is_allowed_and_none_allows_what_is_forbidden(bench: ModelBench) -> None:
    opening, other = bench.loaded.tokenizer.encode_text("{")[0], bench.loaded.tokenizer.encode_text("x")[0]
    events = bench.run(following("r", PERSON, seed=1, logit_bias={opening: -3e38, other: 1e4}))[0]
    assert json.loads(text(events))


def test_logprobs_are_those_of_a_free_answer(bench: ModelBench) -> None:
    asked: dict[str, Any] = {"temperature": 0.0, "logprobs": 4, "max_tokens": 40}
    bound, unbound = bench.run(following("g", PERSON, **asked), ask("f", "Who is it?", **asked))
    assert first_top(bound) == first_top(unbound)
    assert chosen(bound)[0] < chosen(unbound)[0], "what the grammar forbids was likelier"
    assert len(chosen(bound)) == len(tokens(bound))


def test_any_object_will_do_where_there_is_no_schema(bench: ModelBench) -> None:
    likely = dict.fromkeys(bench.loaded.tokenizer.encode_text('"}],'), 80.0)
    for number in range(4):
        events = bench.run(following("r", None, seed=number, temperature=20.0, logit_bias=likely))[0]
        assert isinstance(json.loads(text(events)), dict)


def test_a_schema_that_is_not_strict_is_json_of_its_type(bench: ModelBench) -> None:
    wish = ResponseFormat(schema={"type": "array", "minItems": 30, "not": {}}, strict=False)
    likely = dict.fromkeys(bench.loaded.tokenizer.encode_text('"}],'), 80.0)
    asked = ask("r", "Who?", seed=1, temperature=20.0, logit_bias=likely, max_tokens=300)
    events = bench.run(msgspec.structs.replace(asked, response_format=wish))[0]
    assert isinstance(json.loads(text(events)), list)


def test_what_cannot_be_enforced_is_refused_before_it_begins(bench: ModelBench) -> None:
    chat = ChatPrompt(messages=(Message(role="user", content="x"), Message(role="assistant", content="{")))
    begun = msgspec.structs.replace(following("b", PERSON), prompt=msgspec.structs.replace(chat, continues=True))
    for request in (following("u", {"not": {}}), begun):
        with pytest.raises(OmlxError) as refused:
            bench.run(request)
        assert refused.value.body.code is Code.INVALID_REQUEST
        assert refused.value.body.param == "response_format"
    bench._tickets.end_all()
