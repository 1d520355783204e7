"""Messages as templates take them."""

from __future__ import annotations

import pytest

from omlx_daemon.core.requests import Message
from omlx_daemon.core.templates import TemplateTraits
from omlx_daemon.worker.backend.turns import turns


def call(identity: str, tool: str = "look", arguments: str = '{"at": "sky"}') -> dict[str, object]:
    return {"id": identity, "type": "function", "function": {"name": tool, "arguments": arguments}}


CALLS = (call("call_1"), call("call_2", "now", ""))
HISTORY = (
    Message(role="user", content="Look."),
    Message(role="assistant", content="Let me see.", reasoning="hm", tool_calls=CALLS),
    Message(role="tool", content="blue", tool_call_id="call_1"),
    Message(role="tool", content="noon", tool_call_id="call_2"),
)


def test_what_a_message_lacks_is_left_out() -> None:
    assert turns(HISTORY[:1], TemplateTraits()) == [{"role": "user", "content": "Look."}]


def test_arguments_are_objects_and_results_name_their_tool() -> None:
    _, said, blue, noon = turns(HISTORY, TemplateTraits())
    calls = said["tool_calls"]
    assert isinstance(calls, list)
    assert [one["function"] for one in calls] == [
        {"name": "look", "arguments": {"at": "sky"}},
        {"name": "now", "arguments": {}},
    ]
    assert (blue["tool_call_id"], blue["name"], noon["name"]) == ("call_1", "look", "now")


@pytest.mark.parametrize("written", ["{oops", "[" * 100_000], ids=["wrong", "deep"])
def test_arguments_that_are_no_json_stay_text(written: str) -> None:
    (turn,) = turns([Message(role="assistant", tool_calls=(call("c", arguments=written),))], TemplateTraits())
    calls = turn["tool_calls"]
    assert isinstance(calls, list)
    assert calls[0]["function"]["arguments"] == written


def test_reasoning_stands_where_the_template_looks_for_it() -> None:
    fields = {"reasoning_content", "reasoning", "thinking"}
    for wanted in ((), ("reasoning_content",), ("thinking",), ("reasoning", "thinking")):
        said = turns(HISTORY, TemplateTraits(reasoning_fields=wanted))[1]
        assert {name for name in fields if said.get(name) == "hm"} == set(wanted or ("reasoning_content",))


def test_ids_look_as_the_template_wants_them() -> None:
    said, blue, noon = turns(HISTORY, TemplateTraits(call_ids="nine"))[1:]
    calls = said["tool_calls"]
    assert isinstance(calls, list)
    ids = [one["id"] for one in calls]
    assert ids == [blue["tool_call_id"], noon["tool_call_id"]]
    assert len(set(ids)) == 2
    assert all(len(identity) == 9 and identity.isalnum() for identity in ids)
    assert turns(HISTORY, TemplateTraits(call_ids="nine"))[1:] == [said, blue, noon]
    kept = turns([Message(role="assistant", tool_calls=(call("abcDEF123"),))], TemplateTraits(call_ids="nine"))[0]
    assert "abcDEF123" in str(kept["tool_calls"])
    assert turns(HISTORY, TemplateTraits(call_ids="numbered"))[3]["tool_call_id"] == "functions.now:1"


def test_harmony_takes_one_message_before_a_call() -> None:
    said = turns(HISTORY, TemplateTraits(tool_format="harmony", reasoning_fields=("thinking",)))[1]
    assert (said["content"], said["thinking"]) == ("", "hm\n\nLet me see.")


def test_arguments_may_stay_as_they_were_said() -> None:
    said = turns(HISTORY, TemplateTraits(), parsed=False)[1]
    calls = said["tool_calls"]
    assert isinstance(calls, list)
    assert calls[0]["function"]["arguments"] == '{"at": "sky"}'
