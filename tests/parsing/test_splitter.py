"""Answers split into text, reasoning and calls, wherever they are cut."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.parsing.segments import Kind, Splitter
from omlx_daemon.worker.parsing.style import FORMATS, style_of
from tests.parsing.samples import SAMPLES, TOOLS, Sample
from tests.parsing.splitting import Said, check_nothing_is_lost, said, split

MUTATIONS = 1000
MARKERS = (
    "<think>",
    "</think>",
    "<tool_call>",
    "</tool_call>",
    "<|channel|>final<|message|>",
    "<|end|>",
    "[TOOL_CALLS]",
)
BEFORE = {
    "harmony": "<|channel|>analysis<|message|>hm<|end|><|start|>assistant",
    "muse_spark": "to=self<|message|>hm<|eom|><|start|>assistant to=get_weather<|message|>",
}
"""What stands before a call; elsewhere reasoning between tags, and text."""
ELSE = ("think", "channel", "final", "message", "end", "hm", "to", "start", "assistant", "self", "analysis", "eom")
BAD = '<tool_call>{"name": "f", "arguments": {"a": oops}}</tool_call>'
GOOD = '<tool_call>{"name": "f", "arguments": {"a": 1}}</tool_call>'


def splitter(tools: str = "json_tools", reasoning: str = "think", *, prompt: str = "", parses: bool = True) -> Splitter:
    style = style_of(TemplateTraits(tool_format=tools, reasoning_format=reasoning))
    inside = style.reasoning is not None and style.reasoning.is_open(prompt)
    return style.splitter(inside=inside, parses=parses, offered=TOOLS)


def whole(text: str, tools: str = "json_tools", *, prompt: str = "", parses: bool = True) -> Said:
    return said(splitter(tools, prompt=prompt, parses=parses), [text])


def cut(text: str, chance: random.Random) -> list[str]:
    edges = sorted({0, len(text), *(chance.randrange(len(text) + 1) for _ in range(chance.choice((1, 3, len(text)))))})
    return [text[start:end] for start, end in pairwise(edges)]


def mutated(text: str, chance: random.Random) -> str:
    """Return `text` with a few pieces deleted, doubled, replaced, moved or cut off."""
    for _ in range(chance.randint(1, 3)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((1, 1, 2, 5, 20)))
        piece = text[start:end]
        match chance.randrange(6):
            case 0:
                text = text[:start] + text[end:]
            case 1:
                text = text[:start] + piece + text[start:]
            case 2:
                text = text[:start] + chance.choice('{}[]()<>|"\\,:=/ \n\u00e9\U0001f98ax0') + text[end:]
            case 3:
                place = chance.randrange(len(text) + 1)
                text = text[:place] + piece + text[place:]
            case 4:
                text = text[:start] + chance.choice(MARKERS) + text[start:]
            case _:
                text = text[: max(start, 1)]
    return text


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_mutated_calls_lose_nothing_and_break_nothing(name: str) -> None:
    """1,000 mutated outputs of each format: each character is somewhere, however the text is cut."""
    chance, read = random.Random(name), 0
    samples = [sample for sample in SAMPLES if sample.format == name]
    before = BEFORE.get(name, "<think>\nhm\n</think>\n\nLook.\n")
    for _ in range(MUTATIONS):
        sample = chance.choice(samples)
        answer = mutated(before + sample.text, chance)
        check_nothing_is_lost(answer, split(splitter(name), [answer]), (*sample.syntax, *ELSE))
        once = said(splitter(name), [answer])
        assert said(splitter(name), cut(answer, chance)) == once, answer
        read += bool(once.of("call"))
    assert 0 < read < MUTATIONS


@pytest.mark.parametrize("sample", SAMPLES, ids=[f"{n}-{s.format}" for n, s in enumerate(SAMPLES)])
def test_a_call_between_text_is_found_at_every_cut(sample: Sample) -> None:
    if sample.format in ("harmony", "muse_spark"):
        return
    text = f"<think>\nShould I?\n</think>\n\nI look. \n{sample.text}\n\nDone."
    once = said(splitter(sample.format), [text])
    kinds = [kind for kind, _ in once.parts]
    assert kinds == ["reasoning", "text", *["call"] * len(sample.calls), "text"]
    assert (once.of("reasoning"), once.of("text")) == (["Should I?"], ["I look.", "Done."])
    assert once.warnings == ()
    for place in range(1, len(text)):
        assert said(splitter(sample.format), [text[:place], text[place:]]) == once
    assert said(splitter(sample.format), text) == once


def test_a_call_that_cannot_be_read_is_text_and_the_next_is_read() -> None:
    found = whole(f"A \n{BAD}\n{GOOD} B")
    assert found.parts == (("text", f"A \n{BAD}"), ("call", 'f {"a": 1}'), ("text", "B"))
    assert len(found.warnings) == 1
    assert "json_tools" in found.warnings[0]


def test_a_call_that_was_begun_is_taken_back() -> None:
    reader = splitter()
    first = reader.feed('<tool_call>{"name": "f", "arguments": {"a": "x')
    assert [(part.kind, part.name, part.text) for part in first] == [(Kind.CALL, "f", '{"a": "x')]
    rest = [*reader.feed("y"), *reader.finish()]
    assert [(part.index, part.void) for part in rest if part.kind is Kind.CALL] == [(0, False), (0, True)]
    assert "".join(part.text for part in rest if part.kind is Kind.TEXT) == (
        '<tool_call>{"name": "f", "arguments": {"a": "xy'
    )
    assert len(reader.warnings) == 1


def test_arguments_come_as_they_are_written() -> None:
    reader = splitter()
    pieces = ['<tool_call>{"name"', ': "f", "argu', 'ments": {"text": "one', " two", ' three"}', "}</tool_", "call>"]
    given = [[(part.name, part.text, part.done) for part in reader.feed(piece)] for piece in pieces]
    assert given == [
        [],
        [("f", "", False)],
        [("", '{"text": "one', False)],
        [("", " two", False)],
        [("", ' three"}', False)],
        [("", "", True)],
        [("", "", False)],
    ]


def test_a_long_string_between_tags_comes_as_it_is_written() -> None:
    reader = splitter("qwen3_coder")
    head = "<tool_call>\n<function=write_file>\n<parameter=text>\n"
    pieces = [head, "one\n", "two", "\n</para", "meter>\n</function>", "\n</tool_call>"]
    given = ["".join(part.text for part in reader.feed(piece)) for piece in pieces]
    assert given == ['{"text": "', "one", "\\ntwo", "", '"}', ""]


@pytest.mark.parametrize("end", ["", "</tool", "\n"])
def test_a_call_may_lack_its_end_marker_at_the_answers_end(end: str) -> None:
    assert whole(GOOD.removesuffix("</tool_call>") + end).parts == (("call", 'f {"a": 1}'),)


def test_what_ends_in_the_middle_of_a_call_is_text() -> None:
    for place in range(len("<tool_call>"), GOOD.index("}}") + 2):
        found = whole(GOOD[:place])
        assert found.parts == (("text", GOOD[:place]),)
        assert len(found.warnings) == 1


def test_nothing_is_a_call_where_none_is_wanted() -> None:
    assert whole(f"A\n{GOOD}\n", parses=False).parts == (("text", f"A\n{GOOD}\n"),)


def test_a_prompt_may_open_the_reasoning() -> None:
    for prompt in ("<|im_start|>assistant\n<think>\n", "<think>"):
        found = whole("hm\n</think>\n\nYes", prompt=prompt)
        assert found.parts == (("reasoning", "hm"), ("text", "Yes"))
    assert whole("hm</think>Yes", prompt="<think>\n\n</think>\n\n").parts == (("text", "hm</think>Yes"),)


def test_an_answer_may_speak_of_the_marker() -> None:
    text = "It opens with <think> and ends with </think>."
    assert whole(text).parts == (("text", text),)


def test_reasoning_that_does_not_end_is_reasoning() -> None:
    assert whole("<think>hm \n").parts == (("reasoning", "hm \n"),)


def test_a_call_ends_reasoning_that_was_not_ended() -> None:
    assert whole(f"<think>hm\n{GOOD}\nYes").parts == (("reasoning", "hm"), ("call", 'f {"a": 1}'), ("text", "Yes"))


def test_a_call_that_reasoning_only_speaks_of_is_reasoning() -> None:
    found = whole("<think>write <tool_call> then</think>Yes")
    assert found.parts == (("reasoning", "write <tool_call> then"), ("text", "Yes"))
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("reasoning", "text"),
    [
        ("longcat", "<longcat_think>hm</longcat_think>Yes"),
        ("mistral", "[THINK]hm[/THINK]Yes"),
        ("cohere", "<|START_THINKING|>hm<|END_THINKING|>Yes"),
        ("gemma4", "<|channel>thought\nhm\n<channel|>Yes"),
        ("kimi_k3", "<|open|>think<|sep|>hm<|close|>think<|sep|><|open|>response<|sep|>Yes<|close|>response<|sep|>"
         "<|close|>message<|sep|>"),
    ],
)  # fmt: skip
def test_other_ways_to_reason(reasoning: str, text: str) -> None:
    for pieces in ([text], list(text)):
        found = said(splitter("", reasoning), pieces)
        assert found.parts == (("reasoning", "hm"), ("text", "Yes"))


HARMONY = (
    "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|>"
    "<|start|>assistant<|channel|>commentary to=functions.f <|constrain|>json<|message|>"
)


@pytest.mark.parametrize("ending", ['{"a": 1}<|call|>', '{"a": 1}', '{"a": 1}\n<|call|>'])
def test_harmony(ending: str) -> None:
    for pieces in ([HARMONY + ending], list(HARMONY + ending)):
        found = said(splitter("harmony"), pieces)
        assert found.parts == (("reasoning", "hm"), ("text", "I look."), ("call", 'f {"a": 1}'))


def test_harmony_with_the_recipient_first_and_a_final_answer() -> None:
    text = (
        " to=functions.f<|channel|>commentary json<|message|>{}<|call|><|start|>assistant<|channel|>final<|message|>Yes"
        "<|return|>"
    )
    assert said(splitter("harmony"), text).parts == (("call", "f {}"), ("text", "Yes"))
    assert whole("<|channel|>final<|message|>a < b", tools="harmony").parts == (("text", "a < b"),)
    assert whole("goes on", tools="harmony").parts == (("text", "goes on"),)


def test_a_harmony_call_that_cannot_be_read_is_text_with_its_header() -> None:
    found = whole(HARMONY + "{oops}<|call|>", tools="harmony")
    assert found.of("text") == ["I look." + HARMONY[HARMONY.rindex("<|start|>") :] + "{oops}"]
    assert len(found.warnings) == 1


def test_a_harmony_call_that_nobody_wants_is_text_with_its_header() -> None:
    found = whole(HARMONY + "{}<|call|>", tools="harmony", parses=False)
    assert not found.of("call")
    assert found.of("text")[0].endswith("to=functions.f <|constrain|>json<|message|>{}")


def test_muse_spark() -> None:
    text = (
        "to=self<|message|>hm<|eom|><|start|>assistant to=f<|message|><atem:function_calls><atem:invoke name=\"f\">"
        '<atem:parameter name="a">1</atem:parameter></atem:invoke></atem:function_calls><|eom|>'
        "<|start|>assistant to=user<|message|>Yes<|eot|>"
    )  # fmt: skip
    for pieces in ([text], list(text)):
        assert said(splitter("muse_spark"), pieces).parts == (
            ("reasoning", "hm"),
            ("call", 'f {"a": 1}'),
            ("text", "Yes"),
        )
