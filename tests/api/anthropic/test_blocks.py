"""What a model says as content blocks."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from omlx_daemon.api import signature
from omlx_daemon.api.anthropic.blocks import Blocks
from omlx_daemon.api.anthropic.replies import (
    BlockDelta,
    BlockEvent,
    BlockStart,
    BlockStop,
    InputDelta,
    SignatureDelta,
    TextDelta,
    TextReply,
    ThinkingDelta,
    ThinkingReply,
    ToolUseReply,
)
from omlx_daemon.core.events import Event, Reasoning, Text, ToolCall


def told(*events: Event, omitted: bool = False) -> list[BlockEvent]:
    blocks = Blocks(omitted=omitted)
    return [made for event in events for made in blocks.add(event)] + blocks.end()


def shape(events: list[BlockEvent]) -> list[tuple[str, str]]:
    """Return each block's kind, and what its deltas say together."""
    found: list[tuple[str, str]] = []
    for event in events:
        if isinstance(event, BlockStart):
            found.append((str(event.content_block.__struct_config__.tag), ""))
        elif isinstance(event, BlockDelta) and not isinstance(event.delta, SignatureDelta):
            found[-1] = (found[-1][0], found[-1][1] + said(event))
    return found


def said(event: BlockDelta) -> str:
    match event.delta:
        case TextDelta():
            return event.delta.text
        case ThinkingDelta():
            return event.delta.thinking
        case InputDelta():
            return event.delta.partial_json
        case SignatureDelta():
            return event.delta.signature


def test_text_is_told_as_it_comes() -> None:
    blocks = Blocks()
    assert len(blocks.add(Text(text="The"))) == 2
    assert blocks.add(Text(text=" sky")) == [BlockDelta(index=0, delta=TextDelta(text=" sky"))]
    assert blocks.add(Text(text="")) == []
    assert blocks.end() == [BlockStop(index=0)]


def test_reasoning_ends_with_a_signature_of_its_text() -> None:
    events = told(Reasoning(text="Hm"), Reasoning(text="m."), Text(text="So."))
    assert shape(events) == [("thinking", "Hmm."), ("text", "So.")]
    signed = [said(event) for event in events if isinstance(event, BlockDelta) and is_signed(event)]
    assert signed == [signature.of("Hmm.", omitted=False)]
    assert "Hmm" not in signed[0]


def is_signed(event: BlockDelta) -> bool:
    return isinstance(event.delta, SignatureDelta)


def test_reasoning_that_is_left_out_travels_in_its_signature() -> None:
    events = told(Reasoning(text="Hm"), Reasoning(text="m."), Text(text="So."), omitted=True)
    assert shape(events) == [("thinking", ""), ("text", "So.")]
    (signed,) = [said(event) for event in events if isinstance(event, BlockDelta) and is_signed(event)]
    assert signature.omitted_text(signed) == "Hmm."


def test_white_space_around_calls_is_no_block() -> None:
    call = ToolCall(id="a", name="f", arguments="{}")
    events = told(Reasoning(text="x"), Text(text="\n"), Text(text="\n"), call, Text(text=" \n"), call, Text(text="\n"))
    assert [kind for kind, _ in shape(events)] == ["thinking", "tool_use", "tool_use"]


def test_white_space_before_text_belongs_to_it() -> None:
    assert shape(told(Text(text="\n"), Text(text="  x"))) == [("text", "\n  x")]


def test_white_space_alone_is_the_answer() -> None:
    assert shape(told(Text(text="\n"))) == [("text", "\n")]
    assert told() == []


def test_a_call_is_told_once_it_is_whole() -> None:
    blocks = Blocks()
    pieces = [ToolCall(id="a", name="f", arguments='{"x":'), ToolCall(arguments=" 1"), ToolCall(arguments="}")]
    assert [blocks.add(piece) for piece in pieces] == [[], [], []]
    assert shape(blocks.end()) == [("tool_use", '{"x": 1}')]
    assert blocks.calls


def test_calls_follow_each_other() -> None:
    events = told(ToolCall(id="a", name="f", arguments="{}", index=0), ToolCall(id="b", name="g", index=1))
    starts = [event.content_block for event in events if isinstance(event, BlockStart)]
    assert starts == [ToolUseReply(id="a", name="f", input={}), ToolUseReply(id="b", name="g", input={})]
    assert shape(events) == [("tool_use", "{}"), ("tool_use", "{}")]


def test_a_call_that_is_taken_back_was_never_told() -> None:
    blocks = Blocks()
    taken: list[Event] = [
        ToolCall(id="a", name="f", arguments='{"x":'),
        ToolCall(void=True),
        Text(text="<call>x</call>"),
    ]
    assert shape([made for event in taken for made in blocks.add(event)] + blocks.end()) == [("text", "<call>x</call>")]
    assert not blocks.calls


def test_input_that_is_no_object_is_text_with_a_warning() -> None:
    blocks = Blocks()
    events = [made for part in ("[1", "2]") for made in blocks.add(ToolCall(id=part[0], name="f", arguments=part))]
    assert shape(events + blocks.end()) == [("text", "f([1)f(2])")]
    assert (blocks.calls, len(blocks.warnings)) == (False, 2)


EVENTS = st.lists(
    st.one_of(
        st.builds(Text, text=st.text(max_size=4)),
        st.builds(Reasoning, text=st.text(max_size=4)),
        st.builds(
            ToolCall,
            id=st.sampled_from(["a", "b"]),
            name=st.just("f"),
            arguments=st.sampled_from(["", "{}", '{"a":1}', "{", "[]", "nul", "\u2028"]),
        ),
        st.builds(ToolCall, arguments=st.sampled_from(["}", "1", ""])),
        st.just(ToolCall(void=True)),
    ),
    max_size=20,
)


@given(EVENTS)
def test_blocks_never_overlap_and_lose_nothing_but_white_space(events: list[Event]) -> None:
    made = told(*events)
    open_index = None
    count = 0
    for event in made:
        if isinstance(event, BlockStart):
            assert (open_index, event.index) == (None, count)
            open_index, count = event.index, count + 1
        elif isinstance(event, BlockDelta):
            assert event.index == open_index
        else:
            assert event.index == open_index
            open_index = None
    assert open_index is None
    blocks = shape(made)
    for kind, words in blocks:
        if kind == "tool_use":
            assert isinstance(json.loads(words), dict)
        assert words
    thoughts = "".join(event.text for event in events if isinstance(event, Reasoning))
    assert "".join(words for kind, words in blocks if kind == "thinking") == thoughts
    if not any(isinstance(event, ToolCall) for event in events):
        texts = "".join(event.text for event in events if isinstance(event, Text))
        assert squeezed("".join(words for kind, words in blocks if kind == "text")) == squeezed(texts)


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_every_kind_of_block_starts_empty() -> None:
    events = told(Reasoning(text="x"), Text(text="y"), ToolCall(id="a", name="f", arguments='{"a":1}'))
    starts = [event.content_block for event in events if isinstance(event, BlockStart)]
    assert starts == [
        ThinkingReply(thinking="", signature=""),
        TextReply(text=""),
        ToolUseReply(id="a", name="f", input={}),
    ]
