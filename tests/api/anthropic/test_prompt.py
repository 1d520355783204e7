"""Conversations of the wire as prompts of the core."""

from __future__ import annotations

import json
from typing import Any

import pytest

from omlx_cli.contract.errors import Code, OmlxError
from omlx_daemon.api import signature
from omlx_daemon.core.requests import Message
from tests.api.anthropic.bodies import ASK, LOOK, WAIT, assistant, prompt, text, user

EPHEMERAL = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
CALL = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": "sky", "é": [1, None]}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
PLAIN = {"type": "text", "media_type": "text/plain", "data": "Blue light\nscatters."}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
SHOWN = "<document>\n<document_content>\nBlue light\nscatters.\n</document_content>\n</document>"


def document(source: dict[str, Any] = PLAIN, **more: Any) -> dict[str, Any]:
    return {"type": "document", "source": source, **more}


def result(content: object = "blue", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": "call_1", "content": content, **more}


def refusal(*messages: dict[str, Any], **fields: Any) -> OmlxError:
    with pytest.raises(OmlxError) as caught:
        prompt(*messages, **fields)
    assert caught.value.code is Code.INVALID_REQUEST
    return caught.value


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("Be brief.", "Be brief."),
        ([text("You are a guide.", **EPHEMERAL), text("Be brief.")], "You are a guide.\n\nBe brief."),
        ([text(""), text("Be brief.")], "Be brief."),
    ],
)
def test_a_system_text_comes_first(system: object, expected: str) -> None:
    assert prompt(*ASK, system=system).messages[0] == Message(role="system", content=expected)


@pytest.mark.parametrize("system", [None, "", [], [text("")]])
def test_no_system_text_is_no_message(system: object) -> None:
    assert [message.role for message in prompt(*ASK, system=system).messages] == ["user"]


def test_a_system_message_of_the_middle_stays_where_it_is() -> None:
    found = prompt(user("a"), assistant("b"), {"role": "system", "content": [text("c"), text("d")]}, user("e"))
    assert [(message.role, message.content) for message in found.messages] == [
        ("user", "a"),
        ("assistant", "b"),
        ("system", "c\n\nd"),
        ("user", "e"),
    ]


def test_a_tools_round_trip() -> None:
    found = prompt(
        user("Why?"),
        assistant([{"type": "thinking", "thinking": "Hm.", "signature": "x"}, text("I look. "), text("Now."), CALL]),
        user([result([text("very"), text("blue")], **EPHEMERAL), text("So?")]),
        tools=[LOOK],
    )
    call = found.messages[1].tool_calls[0]
    assert call["function"] == {"name": "look", "arguments": '{"at":"sky","é":[1,null]}'}
    assert found.messages[1:] == (
        Message(role="assistant", content="I look. Now.", reasoning="Hm.", tool_calls=(call,)),
        Message(role="tool", content="very\n\nblue", name="look", tool_call_id="call_1"),
        Message(role="user", content="So?"),
    )
    assert not found.continues


@pytest.mark.parametrize(
    ("content", "expected"),
    [("no such file", "Error: no such file"), (None, "Error"), ([], "Error"), ([text("gone")], "Error: gone")],
)
def test_an_error_of_a_tool_is_told_as_one(content: object, expected: str) -> None:
    found = prompt(user("?"), assistant([CALL]), user([result(content, is_error=True)]))
    assert found.messages[-1].content == expected


def test_results_and_texts_keep_their_order() -> None:
    other = {**result("b"), "tool_use_id": "call_2"}
    found = prompt(user("?"), assistant([CALL, {**CALL, "id": "call_2"}]), user([text("x"), result("a"), other]))
    assert [(message.role, message.content) for message in found.messages[2:]] == [
        ("user", "x"),
        ("tool", "a"),
        ("tool", "b"),
    ]


def test_turns_of_one_role_in_a_row_are_one() -> None:
    found = prompt(user("a"), user([text("b")]), assistant("c"), assistant(" d"), user("e"))
    assert [(message.role, message.content) for message in found.messages] == [
        ("user", "a\n\nb"),
        ("assistant", "c d"),
        ("user", "e"),
    ]


def test_an_answer_after_a_call_is_a_turn_of_its_own() -> None:
    found = prompt(user("a"), assistant([CALL]), assistant("b"), user("c"))
    assert [message.role for message in found.messages] == ["user", "assistant", "assistant", "user"]


def test_an_answer_that_was_begun_goes_on() -> None:
    found = prompt(*ASK, assistant("The best answer is ("))
    assert (found.continues, found.messages[-1].content) == (True, "The best answer is (")
    assert prompt(*ASK).continues is False


@pytest.mark.parametrize("content", ["", [], [text("")]])
def test_an_empty_question_is_a_turn_all_the_same(content: object) -> None:
    assert prompt(user(content)).messages == (Message(role="user"),)
    assert prompt(*ASK, {"role": "system", "content": content}).messages == prompt(*ASK).messages


@pytest.mark.parametrize("content", ["", [], [text("")]])
def test_an_empty_beginning_is_none(content: object) -> None:
    assert prompt(*ASK, assistant(content)) == prompt(*ASK)


def test_what_no_answer_can_go_on_from() -> None:
    assert refusal(*ASK, assistant("So: ")).body.param == "messages[1]"
    assert refusal(*ASK, assistant([CALL])).body.param == "messages[1]"
    assert refusal(assistant("")).body.param == "messages"


@pytest.mark.parametrize(
    ("block", "hidden"),
    [
        ({"type": "thinking", "thinking": "", "signature": signature.of("a secret", omitted=True)}, "a secret"),
        ({"type": "thinking", "thinking": "", "signature": "EqQBCgIYAhIM1gbcDa9GJwZA2b3hGgxBdjrkzLoky3dl1pk"}, ""),
        ({"type": "thinking", "thinking": "", "signature": "omlx-0-%%%"}, ""),
        ({"type": "thinking", "thinking": "", "signature": "omlx-0-AAAA"}, ""),
        ({"type": "redacted_thinking", "data": "EmwKAhgB"}, ""),
    ],
)
def test_reasoning_that_was_left_out_is_read_from_our_signature_alone(block: dict[str, Any], hidden: str) -> None:
    found = prompt(*ASK, assistant([block, text("Light.")]), user("And?"))
    assert (found.messages[1].reasoning, found.messages[1].content) == (hidden, "Light.")


def placed(block: dict[str, Any], place: str) -> tuple[list[dict[str, Any]], str]:
    """Return turns with a block in a place, and how the place is called."""
    return {
        "user": ([user([text("See:"), block])], "messages[0].content[1]"),
        "result": ([*ASK, assistant([CALL]), user([result([block])])], "messages[2].content[0].content[0]"),
        "assistant": ([*ASK, assistant([block]), user("?")], "messages[1].content[0]"),
    }[place]


@pytest.mark.parametrize("place", ["user", "result", "assistant"])
def test_what_needs_eyes_is_refused_by_name(place: str) -> None:
    turns, param = placed(IMAGE, place)
    error = refusal(*turns)
    assert (error.body.param, str(error)) == (
        param,
        f"{param}: image blocks are not supported: no model here has vision",
    )


@pytest.mark.parametrize(
    ("block", "shown"),
    [
        (document(), SHOWN),
        (document(**EPHEMERAL, title=None, context="", citations={"enabled": False}), SHOWN),
        (document({"type": "content", "content": "Blue light\nscatters."}), SHOWN),
        (
            document({"type": "content", "content": [text("a", **EPHEMERAL), text("b")]}),
            "<document>\n<document_content>\na\n\nb\n</document_content>\n</document>",
        ),
        (
            document({**PLAIN, "data": ""}),
            "<document>\n<document_content>\n\n</document_content>\n</document>",
        ),
        (
            document(context="From 1871.", title="On light"),
            SHOWN.replace("<document>\n", "<document>\n<title>On light</title>\n<context>From 1871.</context>\n"),
        ),
    ],
)
def test_a_document_is_shown_as_text_in_a_question_and_in_a_tool_s_result(block: dict[str, Any], shown: str) -> None:
    asked, given = prompt(*placed(block, "user")[0]), prompt(*placed(block, "result")[0])
    assert [message.content for message in asked.messages] == [f"See:\n\n{shown}"]
    assert (given.messages[-1].role, given.messages[-1].content) == ("tool", shown)


def test_documents_and_texts_keep_their_order() -> None:
    found = prompt(user([document(), text("and"), document({**PLAIN, "data": "x"}), text("So?")]))
    assert found.messages[0].content.split("\n\n") == [
        SHOWN,
        "and",
        SHOWN.replace("Blue light\nscatters.", "x"),
        "So?",
    ]


@pytest.mark.parametrize("place", ["user", "result"])
@pytest.mark.parametrize(
    ("source", "inside", "words"),
    [
        (PDF, "", "base64 documents are not supported, only text: send it as text or content"),
        ({"type": "url", "url": "https://example.org/a.pdf"}, "", "url documents are not supported"),
        ({"type": "file", "file_id": "file_1"}, "", "file documents are not supported"),
        ({"type": "content", "content": [text("a"), IMAGE]}, ".content[1]", "image blocks are not supported"),
    ],
)
def test_a_document_that_is_no_text_is_refused_by_name(
    source: dict[str, Any], inside: str, words: str, place: str
) -> None:
    turns, param = placed(document(source), place)
    error = refusal(*turns)
    assert error.body.param == f"{param}.source{inside}"
    assert str(error).startswith(f"{param}.source{inside}: {words}")


@pytest.mark.parametrize(
    ("turn", "param"),
    [
        (user([CALL]), "messages[1].content[0]"),
        (user([{"type": "thinking", "thinking": "x"}]), "messages[1].content[0]"),
        ({"role": "system", "content": [result()]}, "messages[1].content[0]"),
        (assistant([result()]), "messages[1].content[0]"),
        (assistant([document()]), "messages[1].content[0]"),
        ({"role": "system", "content": [document()]}, "messages[1].content[0]"),
    ],
)
def test_blocks_that_do_not_stand_where_they_are(turn: dict[str, Any], param: str) -> None:
    assert refusal(*ASK, turn).body.param == param


def test_tools_are_spelled_as_the_core_does() -> None:
    examples = [{"at": "sky"}]
    found = prompt(*ASK, tools=[{**LOOK, **EPHEMERAL, "input_examples": examples}, {**WAIT, "strict": True}])
    assert json.loads(json.dumps(found.tools)) == [
        {
            "type": "function",
            "function": {
                "name": "look",
                "description": "Looks up.",
                "parameters": {**LOOK["input_schema"], "examples": examples},
            },
        },
        {
            "type": "function",
            "function": {"name": "wait", "description": "", "parameters": {"type": "object"}, "strict": True},
        },
    ]


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ([LOOK, {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}], "tools[1].type"),
        ([{"type": "bash_20250124", "name": "bash"}], "tools[0].type"),
        ([LOOK, LOOK], "tools[1].name"),
    ],
)
def test_tools_that_are_not_the_clients_own(tools: list[dict[str, Any]], param: str) -> None:
    assert refusal(*ASK, tools=tools).body.param == param


def test_the_template_is_given_what_the_client_says() -> None:
    assert prompt(*ASK, chat_template_kwargs={"date": "today"}).template_kwargs == {"date": "today"}
    assert refusal(*ASK, chat_template_kwargs={"messages": "x"}).body.param == "chat_template_kwargs"
