"""Input items as messages."""

from __future__ import annotations

from typing import Any

import pytest

from omlx_cli.contract.errors import OmlxError
from omlx_daemon.api import signature
from omlx_daemon.api.responses.prompt import messages_of
from omlx_daemon.core.requests import Message

CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"sky"}'}


def call(call_id: str = "c1", name: str = "look", arguments: str = '{"at":"sky"}') -> dict[str, object]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def text(kind: str, words: str) -> dict[str, object]:
    return {"type": kind, "text": words, "annotations": []}


def test_a_text_is_what_the_user_says() -> None:
    assert messages_of("hi") == (Message(role="user", content="hi"),)


def test_a_turn_of_an_agent() -> None:
    given: list[dict[str, Any]] = [
        {"type": "message", "role": "developer", "content": [text("input_text", "Be "), text("input_text", "brief.")]},
        {"role": "user", "content": "Look."},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [text("reasoning_text", "Hm.")]},
        {"type": "message", "role": "assistant", "content": [text("output_text", "I look.")]},
        CALL,
        {**CALL, "call_id": "c2", "namespace": "eyes"},
        {"type": "function_call_output", "call_id": "c1", "output": "blue"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "grey"}]},
        {"type": "message", "role": "system", "content": "Time is short."},
        {"type": "custom_tool_call", "call_id": "c3", "name": "patch", "input": 'a "b"'},
        {"type": "custom_tool_call_output", "call_id": "c3", "output": "done"},
    ]
    assert messages_of(given) == (
        Message(role="system", content="Be brief."),
        Message(role="user", content="Look."),
        Message(role="assistant", content="I look.", reasoning="Hm.", tool_calls=(call(), call("c2", "eyes__look"))),
        Message(role="tool", content="blue", tool_call_id="c1"),
        Message(role="tool", content="grey", tool_call_id="c2"),
        Message(role="system", content="Time is short."),
        Message(role="assistant", tool_calls=(call("c3", "patch", '{"input":"a \\"b\\""}'),)),
        Message(role="tool", content="done", tool_call_id="c3"),
    )


def test_reasoning_begins_a_turn_and_text_after_calls_does() -> None:
    thought = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
    }
    said = {"role": "assistant", "content": "So."}
    assert messages_of([said, thought, said, CALL, said]) == (
        Message(role="assistant", content="So."),
        Message(role="assistant", content="So.", reasoning="a\n\nb", tool_calls=(call(),)),
        Message(role="assistant", content="So."),
    )


def test_sealed_reasoning_is_opened_and_a_foreign_seal_tells_nothing() -> None:
    for sealed, text in ((signature.of("a secret", omitted=True), "a secret"), ("gAAAA-foreign", "")):
        item = {"type": "reasoning", "summary": [], "encrypted_content": sealed}
        assert messages_of([item, {"role": "assistant", "content": "x"}])[0].reasoning == text


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"role": "user"}, "input[0]"),
        ({"role": "narrator", "content": "x"}, "input[0].role"),
        ({"role": "user", "content": 3}, "input[0].content"),
        ({"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text"),
        ({"type": "function_call", "call_id": "c", "name": "x"}, "input[0]"),
        ({"type": "function_call", "call_id": "c", "name": "x", "arguments": {}}, "input[0].arguments"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0]"),
        ({"type": "item_reference", "id": "msg_1"}, "input[0].type"),
        ({"type": None}, "input[0].type"),
        ({"type": ["x"]}, "input[0].type"),
    ],
)
def test_what_cannot_be_read_names_its_field(item: dict[str, Any], field: str) -> None:
    with pytest.raises(OmlxError) as failed:
        messages_of([item])
    assert failed.value.body.param == field
