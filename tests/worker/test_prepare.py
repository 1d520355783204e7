"""What a request becomes before it reaches the engine, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.core.requests import GenerationRequest, Prompt, Sampling, TextPrompt, TokenPrompt
from omlx_daemon.worker.engine.plan import SamplingDefaults, decide
from omlx_daemon.worker.engine.ports import ModelFacts
from omlx_daemon.worker.engine.prepare import Preparer
from omlx_daemon.worker.engine.sequence import Sequence
from omlx_daemon.worker.engine.tickets import Tickets
from tests.worker.doubles import VOCABULARY, Bytes, Clock


def request(prompt: Prompt | None = None, *, name: str = "r", echo: bool = False, **sampling: Any) -> GenerationRequest:
    asked = Sampling(**sampling)
    return GenerationRequest(id=name, model="m", prompt=prompt or TextPrompt(text="hello"), sampling=asked, echo=echo)


def prepare(asked: GenerationRequest, context_tokens: int = 100) -> Sequence:
    facts = ModelFacts(context_tokens=context_tokens, vocabulary_tokens=VOCABULARY, eos_ids=frozenset({2}))
    ticket = Tickets(1, 1, Clock()).open(asked)
    return Preparer(Bytes(), Bytes(), facts).prepare(ticket, asked)


def refusal(asked: GenerationRequest, context_tokens: int = 100) -> OmlxError:
    with pytest.raises(OmlxError) as caught:
        prepare(asked, context_tokens)
    return caught.value


def test_the_answer_gets_what_the_context_leaves() -> None:
    assert prepare(request()).max_tokens == 95
    assert prepare(request(max_tokens=200)).max_tokens == 95
    assert prepare(request(max_tokens=7)).max_tokens == 7
    assert prepare(request(), context_tokens=6).max_tokens == 1


def test_a_prompt_over_the_context_names_both_counts() -> None:
    error = refusal(request(TextPrompt(text="x" * 120)))
    assert error.code is Code.CONTEXT_LENGTH_EXCEEDED
    assert "120" in error.body.message
    assert "100" in error.body.message
    assert refusal(request(), context_tokens=5).code is Code.CONTEXT_LENGTH_EXCEEDED


@pytest.mark.parametrize(
    ("prompt", "sampling", "param"),
    [
        (TextPrompt(text=""), {}, "prompt"),
        (TokenPrompt(token_ids=()), {}, "prompt"),
        (TokenPrompt(token_ids=(1, VOCABULARY)), {}, "prompt"),
        (TokenPrompt(token_ids=(-1,)), {}, "prompt"),
        (None, {"temperature": -0.1}, "temperature"),
        (None, {"temperature": float("nan")}, "temperature"),
        (None, {"top_p": 1.1}, "top_p"),
        (None, {"top_k": -1}, "top_k"),
        (None, {"min_p": 2.0}, "min_p"),
        (None, {"repetition_penalty": 0.0}, "repetition_penalty"),
        (None, {"presence_penalty": float("inf")}, "presence_penalty"),
        (None, {"frequency_penalty": float("nan")}, "frequency_penalty"),
        (None, {"logit_bias": {VOCABULARY: 1.0}}, "logit_bias"),
        (None, {"logit_bias": {3: float("inf")}}, "logit_bias"),
        (None, {"max_tokens": -1}, "max_tokens"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(prompt: Prompt | None, sampling: dict[str, Any], param: str) -> None:
    error = refusal(request(prompt, **sampling))
    assert (error.code, error.body.param) == (Code.INVALID_REQUEST, param)


def test_stop_tokens_are_the_models_and_the_callers() -> None:
    assert prepare(request(stop_token_ids=(7,))).stop_ids == {2, 7}
    assert prepare(request(stop_token_ids=(7,), ignore_eos=True)).stop_ids == {7}


def test_echo_gives_the_prompt_as_text() -> None:
    assert prepare(request(echo=True)).echo_text == "hello"
    assert prepare(request(TokenPrompt(token_ids=(104, 105)), echo=True)).echo_text == "hi"
    assert prepare(request()).echo_text == ""


def test_the_caller_outranks_the_model_and_the_model_the_neutral_value() -> None:
    defaults = SamplingDefaults(temperature=0.6, top_k=20)
    plan = decide(Sampling(temperature=0.0), defaults)
    assert (plan.temperature, plan.top_k, plan.top_p, plan.repetition_penalty) == (0.0, 20, 1.0, 1.0)
    assert decide(Sampling(), SamplingDefaults()).temperature == 1.0


def test_the_queue_has_a_limit_and_a_place_is_free_again_after_an_end() -> None:
    tickets = Tickets(1, 1, Clock())
    first = tickets.open(request(name="a"))
    tickets.open(request(name="b"))
    with pytest.raises(OmlxError) as caught:
        tickets.open(request(name="c"))
    assert caught.value.code is Code.QUEUE_FULL
    assert tickets.close(first)
    tickets.open(request(name="c"))


def test_an_id_that_is_open_is_refused() -> None:
    tickets = Tickets(4, 4, Clock())
    tickets.open(request(name="a"))
    with pytest.raises(OmlxError) as caught:
        tickets.open(request(name="a"))
    assert caught.value.code is Code.INVALID_REQUEST


def test_a_ticket_ends_once_whoever_ends_it() -> None:
    tickets = Tickets(4, 4, Clock())
    ticket = tickets.open(request())
    assert tickets.cancel(ticket.id) is ticket, "nobody else will end it"
    assert not tickets.hand_over(ticket)
    assert not tickets.close(ticket)
    assert tickets.cancel(ticket.id) is None


def test_the_engine_ends_what_was_handed_over() -> None:
    tickets = Tickets(4, 4, Clock())
    ticket = tickets.open(request())
    assert tickets.hand_over(ticket)
    assert tickets.cancel(ticket.id) is None
    assert ticket.cancelled
    assert tickets.close(ticket)


def test_a_stopping_worker_opens_no_more() -> None:
    tickets = Tickets(4, 4, Clock())
    ticket = tickets.open(request(name="a"))
    tickets.refuse()
    with pytest.raises(OmlxError) as caught:
        tickets.open(request(name="b"))
    assert caught.value.code is Code.SHUTTING_DOWN
    assert tickets.end_all() == [ticket]
    assert len(tickets) == 0
