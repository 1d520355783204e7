"""Each rule changes what it says and nothing else, and all of them together settle at once."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlx_cli.contract.prompt_rules import PROMPT_RULES
from omlx_daemon.canonical.rules import DEFAULTS, canonical
from omlx_daemon.core.requests import ChatPrompt, Message

ALL = frozenset(rule.name for rule in PROMPT_RULES)
HEADER = "x-anthropic-billing-header: cc_version=2.1.34.{n}; cc_entrypoint=cli; cch={n:05x};"
SYSTEM = "You are a careful programmer.\nAnswer in one line."


def chat(*turns: tuple[str, str], **more: Any) -> ChatPrompt:
    return ChatPrompt(messages=tuple(Message(role=role, content=text) for role, text in turns), **more)


def only(name: str, prompt: ChatPrompt) -> ChatPrompt:
    return canonical(prompt, {name})[0]


def texts(prompt: ChatPrompt) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in prompt.messages]


def test_every_rule_of_the_contract_is_applied_and_no_other() -> None:
    assert [len(canonical(chat(("user", "hi")), {name})[1]) for name in ALL] == [0] * len(ALL)
    with_all = canonical(_everything(), ALL)[1]
    assert set(with_all) == ALL - {"system_in_place"}
    assert canonical(_everything(), ALL)[0].system_in_place
    assert {"clock"} == ALL - DEFAULTS


@pytest.mark.parametrize("join", ["\n", "\n\n", ""])
def test_the_billing_header_goes_and_the_rest_of_the_system_text_stays(join: str) -> None:
    made = {texts(only("attribution_header", chat(("system", HEADER.format(n=n) + join + SYSTEM), ("user", "hi"))))[0]
            for n in (1, 77, 4096)}  # fmt: skip
    assert made == {("system", SYSTEM)}


def test_a_system_message_that_is_a_header_alone_goes() -> None:
    prompt = chat(("system", HEADER.format(n=3)), ("system", SYSTEM), ("user", "hi"))
    assert texts(only("attribution_header", prompt)) == [("system", SYSTEM), ("user", "hi")]


@pytest.mark.parametrize(
    "text",
    [
        "How does x-anthropic-billing-header: work?",
        "Send x-request-id: 5 with it.",
        "x-request-id: 5",
        "The header\nx-content: billing=1;\nstays",
    ],
)
def test_what_only_mentions_a_header_stays(text: str) -> None:
    prompt = chat(("system", text), ("user", HEADER.format(n=1)))
    assert canonical(prompt, {"attribution_header"}) == (prompt, ())


@pytest.mark.parametrize(
    "counter",
    [
        "<total_tokens>{n} tokens left</total_tokens>",
        "<system-reminder>\nToken usage: {n}/200000; 1234 remaining\n</system-reminder>",
        "<system_warning>Token usage: {n}/1000000; 965000 remaining</system_warning>",
        "<system-reminder>\n<total_tokens>{n} tokens left</total_tokens>\n</system-reminder>",
    ],
)
def test_counters_in_tags_go_wherever_a_client_writes(counter: str) -> None:
    def turns(n: int) -> ChatPrompt:
        line = counter.format(n=n)
        return chat(
            ("system", f"{SYSTEM}\n{line}"),
            ("user", f"fix it\n{line}\nplease"),
            ("assistant", f"{line}\nI said so."),
            ("tool", f"two files\n{line}"),
            ("user", line),
        )

    one, other = (canonical(turns(n), {"token_counter", "whitespace"})[0] for n in (5, 187655))
    assert texts(one)[:2] == [("system", SYSTEM), ("user", "fix it\nplease")]
    assert texts(one)[3:] == [("tool", "two files")]
    assert one.messages[2].content != other.messages[2].content, "what the model said is never changed"
    assert [m for m in one.messages if m.role != "assistant"] == [m for m in other.messages if m.role != "assistant"]


@pytest.mark.parametrize("joint", ["\n", "\n\n"])
def test_a_counter_leaves_no_trace(joint: str) -> None:
    line = "<total_tokens>5 tokens left</total_tokens>"
    for parts in (["a", line, "b"], [line, "a", "b"], ["a", "b", line], ["a", line, line, "b"]):
        found = only("token_counter", chat(("user", joint.join(parts)), ("tool", joint.join(parts))))
        assert texts(found) == [("user", f"a{joint}b"), ("tool", f"a{joint}b")]


@pytest.mark.parametrize(
    "text", ["You have 500 tokens left.", "total_tokens: 12\nb", "<total_tokens>many</total_tokens>", "12 tokens left"]
)
def test_what_people_and_tools_say_of_tokens_stays(text: str) -> None:
    prompt = chat(("user", text), ("assistant", text), ("tool", text), ("user", "go on"))
    assert canonical(prompt, {"token_counter"}) == (prompt, ())


def test_the_last_turn_to_answer_is_never_dropped() -> None:
    line = "<total_tokens>1 tokens left</total_tokens>"
    alone = chat(("user", line))
    assert texts(only("token_counter", alone)) == [("user", "")]
    after = chat(("user", "hi"), ("assistant", "yes"), ("user", line))
    assert texts(only("token_counter", after))[-1] == ("user", "")


def test_the_clock_leaves_the_date() -> None:
    text = "Today is 2026-11-21T11:36:39.123Z.\nCurrent time: 11:36:39\nBe brief."
    assert texts(only("clock", chat(("system", text), ("user", "11:36"))))[0] == (
        "system",
        "Today is 2026-11-21.\nBe brief.",
    )


def test_tools_are_the_same_in_any_order_and_spelling() -> None:
    tools = [_tool(name) for name in ("write", "read", "bash")]
    wanted = canonical(chat(("user", "hi"), tools=tuple(tools)), DEFAULTS)[0]
    chosen = random.Random(5)
    for _ in range(20):
        chosen.shuffle(tools)
        prompt = chat(("user", "hi"), tools=tuple(_shuffled(tool, chosen) for tool in tools))
        assert json.dumps(canonical(prompt, DEFAULTS)[0].tools) == json.dumps(wanted.tools)
    first: Any = wanted.tools[0]
    assert list(first["function"]) == ["name", "description", "parameters"]
    assert list(first["function"]["parameters"]["properties"]) == ["path", "content", "append"]
    assert first["function"]["parameters"]["required"] == ["path", "content"], "arrays keep their order"


def test_arguments_keep_their_keys_order_and_lose_their_spelling() -> None:
    spelled = ('{"b": 1, "a": "\\u00e9"}', '{"b":1,"a":"é"}', '{ "b":1,\n "a" : "é" }')
    made = [only("arguments_json", _called(text)).messages[1].tool_calls for text in spelled]
    assert made == [_called('{"b":1,"a":"é"}').messages[1].tool_calls] * 3


@pytest.mark.parametrize("text", ['{"a": ', "", "[1, 2", '{"a": NaN}', '"\\ud800"', "[" * 5000, "9" * 400])
def test_arguments_that_are_no_json_stay_as_they_are(text: str) -> None:
    prompt = _called(text)
    assert only("arguments_json", prompt) is prompt


def test_system_messages_of_the_middle_are_asked_to_stay() -> None:
    assert only("system_in_place", chat(("system", "a"), ("user", "b"), ("system", "c"), ("user", "d"))).system_in_place
    assert not only("system_in_place", chat(("system", "a"), ("developer", "b"), ("user", "c"))).system_in_place


_LINES = st.sampled_from(
    [
        HEADER.format(n=9), "x-billing: a=b;", "x-attribution-id:", "<total_tokens>5 tokens left</total_tokens>",
        "<total_tokens>", "</total_tokens>", "<system-reminder>", "</system-reminder>", "Token usage: 1/2; 3 remaining",
        "7 tokens left", "2026-11-21T10:00:00Z", "current time: 10:00", "10:00", "", " ", "\n", "\r\n", ";", "words",
    ]
)  # fmt: skip
_TEXTS = st.lists(_LINES | st.text(max_size=6), max_size=8).flatmap(
    lambda parts: st.sampled_from(["\n", "", " "]).map(lambda joint: joint.join(parts))
)
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["properties", "required", "type", "name", "a", "b"]) | st.text(), inner, max_size=4
        )
    ),
    max_leaves=12,
)
_TOOLS: st.SearchStrategy[list[Any]] = st.lists(
    st.dictionaries(st.sampled_from(["function", "name", "type"]), _JSON, max_size=3), max_size=4
)
_CALLS: st.SearchStrategy[list[Any]] = st.lists(
    st.fixed_dictionaries({"function": st.fixed_dictionaries({"arguments": _JSON.map(json.dumps) | st.text()})}),
    max_size=2,
)


@st.composite
def _prompts(draw: st.DrawFn) -> ChatPrompt:
    roles = draw(
        st.lists(st.sampled_from(["system", "user", "assistant", "tool", "developer"]), min_size=1, max_size=6)
    )
    turns = [
        Message(role=role, content=draw(_TEXTS), tool_calls=tuple(draw(_CALLS)) if role == "assistant" else ())
        for role in roles
    ]
    return ChatPrompt(messages=tuple(turns), tools=tuple(draw(_TOOLS)))


@settings(max_examples=300, deadline=None)
@given(_prompts(), st.sets(st.sampled_from(sorted(ALL))))
def test_rules_settle_at_once_and_say_nothing_of_what_is_settled(prompt: ChatPrompt, names: set[str]) -> None:
    once, applied = canonical(prompt, names)
    twice, again = canonical(once, names)
    assert twice is once, again
    assert (once is prompt) or applied or once.system_in_place
    assert once.messages
    said = [(m.content, m.reasoning) for m in prompt.messages if m.role == "assistant"]
    assert [(m.content, m.reasoning) for m in once.messages if m.role == "assistant"] == said
    assert len(once.tools) == len(prompt.tools)
    msgspec.msgpack.encode(once)


def _everything() -> ChatPrompt:
    called = _called('{"a": 1}')
    head = Message(role="system", content=f"{HEADER.format(n=1)}\nit is 2026-11-21 10:00 \n12 tokens left\n")
    tail = (Message(role="system", content="now"), Message(role="user", content="go"))
    tools = ({"function": {"parameters": {"b": 1, "a": 2}, "name": "z"}}, {"function": {"name": "a"}})
    return msgspec.structs.replace(called, messages=(head, *called.messages, *tail), tools=tools)


def _called(arguments: str) -> ChatPrompt:
    call: dict[str, object] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return ChatPrompt(messages=(Message(role="user", content="do"), Message(role="assistant", tool_calls=(call,))))


def _tool(name: str) -> dict[str, Any]:
    properties = {
        "append": {"type": "boolean", "default": False},
        "path": {"type": "string", "description": "where"},
        "content": {"type": "array", "items": {"type": "string", "enum": ["b", "a"]}},
    }
    parameters = {"type": "object", "properties": properties, "required": ["path", "content"]}
    return {"type": "function", "function": {"name": name, "description": f"to {name}", "parameters": parameters}}


def _shuffled(value: Any, chosen: random.Random) -> Any:
    if isinstance(value, dict):
        keys = list(value)
        chosen.shuffle(keys)
        return {key: _shuffled(value[key], chosen) for key in keys}
    return [_shuffled(item, chosen) for item in value] if isinstance(value, list) else value
