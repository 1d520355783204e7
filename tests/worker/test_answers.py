"""Answers with reasoning and calls, token by token."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from omlx_daemon.core.events import Reasoning, Text, ToolCall
from omlx_daemon.core.requests import (
    ChatPrompt,
    GenerationRequest,
    Message,
    ReasoningOptions,
    Sampling,
    TextPrompt,
    ToolChoice,
    ToolMode,
)
from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.engine import answers, reasoning
from omlx_daemon.worker.engine.answer import Answer, Piece
from omlx_daemon.worker.engine.answers import Answers
from omlx_daemon.worker.engine.ports import ModelFacts, Scores
from omlx_daemon.worker.parsing.style import style_of
from tests.worker.test_text import Pieces

TRAITS = TemplateTraits(
    takes_tools=True,
    tool_format="json_tools",
    reasoning_format="think",
    reasons=True,
    switches=frozenset({"enable_thinking"}),
)
TOOLS: tuple[dict[str, object], ...] = ({"type": "function", "function": {"name": "f"}},)
CALL = '<tool_call>\n{"name": "f", "arguments": {"a": "x\nü🦊"}}\n</tool_call>'
ANSWER = f"<think>\nhm, hm\n</think>\n\nI look.\n{CALL}\n{CALL}\n"


class Coded(Pieces):
    """A tokenizer that knows the prompts of these tests."""

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(map(chr, token_ids))

    def encode_chat(self, prompt: ChatPrompt) -> list[int]:
        raise AssertionError("these tests send tokens")

    def encode_text(self, text: str) -> list[int]:
        raise AssertionError("these tests send tokens")


def request(**fields: Any) -> GenerationRequest:
    chat = ChatPrompt(messages=(Message(role="user", content="Look."),), tools=TOOLS)
    return GenerationRequest(**{"id": "r", "model": "m", "prompt": chat, **fields})


def begin(
    asked: GenerationRequest, pieces: Sequence[bytes], prompt: str = "", traits: TemplateTraits = TRAITS
) -> Answer:
    facts = ModelFacts(context_tokens=100, vocabulary_tokens=9, traits=traits, style=style_of(traits))
    vocabulary = Coded(pieces)
    return Answers(vocabulary, vocabulary, facts).begin(asked, list(map(ord, prompt)))


def run(answer: Answer, count: int) -> list[Piece]:
    events = list[Piece]()
    for token in range(count):
        events += answer.add(token, Scores(-0.5))
        if answer.ended:
            return events
    return [*events, *answer.end()]


def text(events: list[Piece]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def reasons(events: list[Piece]) -> str:
    return "".join(event.text for event in events if isinstance(event, Reasoning))


def calls(events: list[Piece]) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for event in events:
        if isinstance(event, ToolCall):
            name, arguments = found.get(event.index, ("", ""))
            found[event.index] = (name + event.name, arguments + event.arguments)
            if event.void:
                del found[event.index]
    return found


def cut(raw: bytes, chance: random.Random) -> list[bytes]:
    edges = sorted({0, len(raw), *(chance.randrange(len(raw)) for _ in range(chance.randrange(1, 60)))})
    return [raw[start:end] for start, end in pairwise(edges)]


@pytest.mark.parametrize("seed", range(30))
def test_every_token_is_given_once_and_in_order(seed: int) -> None:
    pieces = cut(ANSWER.encode(), random.Random(seed))
    answer = begin(request(), pieces)
    events = run(answer, len(pieces))
    assert (reasons(events), text(events)) == ("hm, hm", "I look.")
    assert calls(events) == dict.fromkeys((0, 1), ("f", '{"a": "x\\nü🦊"}'))
    assert [token for event in events for token in event.token_ids] == list(range(len(pieces)))
    scored = [len(event.logprobs) == len(event.token_ids) for event in events if isinstance(event, Text)]
    assert all(scored)
    assert answer.calls == 2
    given = [event for event in events if isinstance(event, Reasoning)]
    assert answer.reasoning_tokens == sum(len(event.token_ids) for event in given)


def test_tokens_stay_with_their_piece() -> None:
    pieces = [
        b"<think>",
        b"hm",
        b"</think>",
        b"\n\n",
        b"Look",
        b"\n",
        b"<tool_call>",
        b'{"name": "f"',
        b"}",
        b"</tool_call>",
    ]
    events = run(begin(request(), pieces), len(pieces))
    by_kind = [(type(event), event.token_ids) for event in events]
    assert by_kind == [
        (Reasoning, (0,)),
        (Reasoning, (1,)),
        (Reasoning, (2,)),
        (Reasoning, (3,)),
        (Text, (4,)),
        (ToolCall, (5, 6, 7)),
        (ToolCall, (8,)),
        (ToolCall, (9,)),
    ]


def test_ids_are_unique_and_stand_in_the_first_piece_alone() -> None:
    events = run(begin(request(), [ANSWER.encode()]), 1) + run(begin(request(), [ANSWER.encode()]), 1)
    ids = [event.id for event in events if isinstance(event, ToolCall) and event.id]
    assert len(set(ids)) == 4
    assert all(identity.startswith("call_") and len(identity) == 29 for identity in ids)


def test_stop_strings_end_visible_text_alone() -> None:
    pieces = [f"<think>stop</think>{CALL}".replace("x", "stop").encode(), b" go", b" st", b"op", b" on"]
    answer = begin(request(sampling=Sampling(stop=("stop",))), pieces)
    events = run(answer, len(pieces))
    assert (reasons(events), text(events), answer.stop_text) == ("stop", "go ", "stop")
    assert calls(events)[0][1] == '{"a": "stop\\nü🦊"}'


def test_a_stop_string_cuts_no_call_that_cannot_be_read() -> None:
    bad = '<tool_call>{"name": "f", "arguments": {"stop": oops'
    answer = begin(request(sampling=Sampling(stop=("stop",))), [b"st", bad.encode(), b"}"])
    events = run(answer, 3)
    assert text(events) == f"st{bad}}}"
    assert answer.stop_text == ""
    assert len(answer.warnings) == 1
    assert answer.calls == 0


def test_only_one_call_where_only_one_is_wanted() -> None:
    pieces = [piece.encode() for piece in ("I look.", *CALL, *CALL, "more")]
    answer = begin(request(tool_choice=ToolChoice(parallel=False)), pieces)
    events = run(answer, len(pieces))
    assert (answer.ended, len(calls(events)), text(events)) == (True, 1, "I look.")


def test_nothing_is_parsed_where_it_is_not_asked_for() -> None:
    none = request(tool_choice=ToolChoice(mode=ToolMode.NONE))
    assert text(run(begin(none, [CALL.encode()]), 1)) == CALL
    without = request(prompt=ChatPrompt(messages=(Message(role="user", content="Look."),)))
    assert text(run(begin(without, [CALL.encode()]), 1)) == CALL
    bare = request(prompt=TextPrompt(text="Look."))
    assert text(run(begin(bare, [ANSWER.encode()]), 1)) == ANSWER


def test_the_prompt_opens_the_reasoning() -> None:
    events = run(begin(request(), [b"hm</think>Yes"], prompt="<|im_start|>assistant\n<think>\n"), 1)
    assert (reasons(events), text(events)) == ("hm", "Yes")
    begun = (Message(role="user", content="Look."), Message(role="assistant", content="<think>hm"))
    asked = request(prompt=ChatPrompt(messages=begun, continues=True))
    events = run(begin(asked, [b", hm</think>Yes"], prompt="assistant\n<think>hm"), 1)
    assert (reasons(events), text(events)) == (", hm", "Yes")


@pytest.mark.parametrize(
    ("traits", "found"),
    [
        (TemplateTraits(), answers.NO_TOOLS),
        (TemplateTraits(takes_tools=True), answers.NO_FORMAT),
        (TRAITS, ""),
    ],
)
def test_tools_that_a_model_cannot_use_are_spoken_of(traits: TemplateTraits, found: str) -> None:
    assert begin(request(), [], traits=traits).warnings == ((found,) if found else ())
    none = request(tool_choice=ToolChoice(mode=ToolMode.NONE))
    assert begin(none, [], traits=traits).warnings == ()


@pytest.mark.parametrize(
    ("switches", "options", "arguments"),
    [
        ({"enable_thinking"}, ReasoningOptions(effort="none"), {"enable_thinking": False}),
        ({"enable_thinking"}, ReasoningOptions(effort="minimal"), {"enable_thinking": False}),
        ({"enable_thinking"}, ReasoningOptions(effort="high"), {"enable_thinking": True}),
        ({"thinking"}, ReasoningOptions(enabled=True), {"thinking": True}),
        ({"reasoning_effort"}, ReasoningOptions(effort="xhigh"), {"reasoning_effort": "high"}),
        ({"reasoning_effort"}, ReasoningOptions(effort="none"), {"reasoning_effort": "low"}),
        ({"reasoning_effort"}, ReasoningOptions(enabled=True), {}),
        ({"reasoning_effort"}, ReasoningOptions(enabled=False, effort="high"), {"reasoning_effort": "low"}),
        (set(), ReasoningOptions(effort="high"), {}),
        ({"enable_thinking", "reasoning_effort"}, ReasoningOptions(), {}),
    ],
)
def test_reasoning_options_in_the_templates_words(
    switches: set[str], options: ReasoningOptions, arguments: dict[str, object]
) -> None:
    directed = reasoning.directed(request(reasoning=options), TemplateTraits(switches=frozenset(switches)))
    assert isinstance(directed.prompt, ChatPrompt)
    assert directed.prompt.template_kwargs == arguments


def test_what_the_caller_says_to_the_template_itself_wins() -> None:
    chat = ChatPrompt(messages=(), template_kwargs={"enable_thinking": True})
    directed = reasoning.directed(request(prompt=chat, reasoning=ReasoningOptions(effort="none")), TRAITS)
    assert directed.prompt == chat


def test_a_model_that_always_reasons_is_spoken_of() -> None:
    always = TemplateTraits(
        takes_tools=True, tool_format="harmony", reasons=True, switches=frozenset({"reasoning_effort"})
    )
    asked = request(reasoning=ReasoningOptions(enabled=False))
    assert begin(asked, [], traits=always).warnings == (reasoning.ALWAYS_REASONS,)
    assert begin(asked, [], traits=TRAITS).warnings == ()


@pytest.mark.parametrize(
    ("effort", "traits", "is_told"),
    [
        ("high", TemplateTraits(), True),
        ("minimal", TemplateTraits(), False),
        ("minimal", TemplateTraits(reasons=True), True),
        ("low", TemplateTraits(reasons=True, switches=frozenset({"enable_thinking"})), False),
        ("", TemplateTraits(), False),
    ],
)
def test_an_effort_that_the_template_does_not_know_is_spoken_of(
    effort: str, traits: TemplateTraits, is_told: bool
) -> None:
    assert reasoning.unheeded(ReasoningOptions(effort=effort), traits) == (reasoning.NO_EFFORT if is_told else "")
