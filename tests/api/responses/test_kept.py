"""What a kept response answers, and the routes of it that refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai.types.responses import ResponseItemList

from omlx_cli import keys
from omlx_cli.contract import routes
from omlx_daemon.core.requests import ChatPrompt
from tests.api.serving import JSON, Answer, Served

TOOLS: Any = [{"type": "function", "name": "look"}, {"type": "custom", "name": "wait"}]
THOUGHT = {"type": "reasoning", "id": "rs_mine", "summary": [{"type": "summary_text", "text": "Hm."}]}
CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}", "namespace": "eyes", "odd": [1]}
GIVEN: Any = [
    {"role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "input_text", "text": "Lo"}, {"type": "input_text", "text": "ok."}]},
    {"role": "assistant", "content": "I look.", "id": "msg_mine"},
    THOUGHT,
    {**THOUGHT, "id": "", "content": [{"type": "reasoning_text", "text": "So."}], "encrypted_content": "gAAAA"},
    CALL,
    {"type": "custom_tool_call", "call_id": "c2", "name": "wait", "input": "a", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "grey"}]},
    {"type": "custom_tool_call_output", "call_id": "c2", "output": "waited", "id": "msg_mine"},
]


@pytest.fixture(scope="module")
def sdk(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0, timeout=20) as client:
        yield client


def listed(served: Served, response_id: str, query: str = "") -> Answer:
    return served.ask("GET", f"{routes.RESPONSES}/{response_id}/input_items{query}")


def test_a_text_is_one_item(sdk: openai.OpenAI) -> None:
    made = sdk.responses.create(model="sky", input="Why?", instructions="Be brief.")
    (item,) = sdk.responses.input_items.list(made.id)
    assert item.type == "message"
    assert item.id.startswith("msg_")
    assert (item.role, item.status) == ("user", "completed")
    (part,) = item.content
    assert part.type == "input_text"
    assert part.text == "Why?"


def test_every_kind_of_item_is_what_the_sdk_declares(sdk: openai.OpenAI, served: Served) -> None:
    made = sdk.responses.create(model="sky", input=GIVEN, tools=TOOLS)
    answer = listed(served, made.id, "?order=asc")
    ResponseItemList.model_validate_json(answer.text)
    found = answer.json["data"]
    assert [item["type"] for item in found] == [item.get("type", "message") for item in GIVEN]
    ids = [item["id"] for item in found]
    assert (ids[2], ids[3], len(set(ids))) == ("msg_mine", "rs_mine", len(ids))
    assert (answer.json["first_id"], answer.json["last_id"], answer.json["has_more"]) == (ids[0], ids[-1], False)
    assert [item.get("status", "") for item in found] == ["completed"] * 3 + [""] * 2 + ["completed"] * 4
    assert (found[0]["role"], found[1]["content"]) == ("developer", [{"type": "input_text", "text": "Look."}])
    assert found[2]["content"] == [{"type": "output_text", "annotations": [], "text": "I look."}]
    assert "content" not in found[3]
    assert (found[4]["content"], found[4]["encrypted_content"]) == (
        [{"type": "reasoning_text", "text": "So."}],
        "gAAAA",
    )
    assert {**CALL, "id": ids[5], "status": "completed"} == {**found[5], "odd": [1]}
    assert (found[6]["input"], found[7]["output"], found[8]["output"]) == ("a", "grey", "waited")
    assert "arguments" not in found[6]


def test_the_items_given_again_are_the_same_prompt(sdk: openai.OpenAI, served: Served) -> None:
    made = sdk.responses.create(model="sky", input=GIVEN, tools=TOOLS)
    sdk.responses.create(model="sky", input=listed(served, made.id, "?order=asc").json["data"], tools=TOOLS)
    first, second = (request.prompt for request in served.inference.requests[-2:])
    assert first == second


def test_a_conversation_goes_on_with_the_prompt_that_it_had(sdk: openai.OpenAI, served: Served) -> None:
    made = sdk.responses.create(model="sky", input=GIVEN, tools=TOOLS)
    output = [item.model_dump(exclude_none=True) for item in made.output]
    sdk.responses.create(model="sky", input="Go on.", previous_response_id=made.id, tools=TOOLS)
    whole: Any = [*GIVEN, *output, {"role": "user", "content": "Go on."}]
    sdk.responses.create(model="sky", input=whole, tools=TOOLS)
    by_id, by_items = (request.prompt for request in served.inference.requests[-2:])
    assert by_id == by_items


def test_a_conversation_is_listed_from_its_beginning(sdk: openai.OpenAI, served: Served) -> None:
    first = sdk.responses.create(model="agent", input="Why?", tools=TOOLS)
    outputs: Any = [
        {"type": "function_call_output", "call_id": "call_1", "output": "blue"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "waited"},
    ]
    second = sdk.responses.create(model="sky", input=outputs, previous_response_id=first.id, tools=TOOLS)
    mine: Any = [{"role": "user", "content": "x", "id": first.output[0].id}, {"role": "user", "content": "y"}]
    third = sdk.responses.create(model="sky", input=mine, previous_response_id=second.id)
    kinds = ["message", "reasoning", "message", "function_call", "custom_tool_call"]
    kinds += ["function_call_output", "custom_tool_call_output", "message", "message", "message"]
    found = list(sdk.responses.input_items.list(third.id, order="asc"))
    assert [item.type for item in found] == kinds
    assert len({item.id for item in found}) == len(found)
    assert [item.id for item in found[1:5]] == [item.id for item in first.output]
    assert [item.id for item in sdk.responses.input_items.list(first.id)] == [found[0].id]
    sdk.responses.delete(first.id)
    again = list(sdk.responses.input_items.list(third.id, order="asc"))
    assert [item.id for item in again] == [item.id for item in found]
    prompt = served.inference.requests[-1].prompt
    assert isinstance(prompt, ChatPrompt)
    assert [message.role for message in prompt.messages] == [
        *("user", "assistant", "tool", "tool", "assistant", "user", "user")
    ]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_pages_are_turned_in_both_directions(sdk: openai.OpenAI, served: Served, limit: int) -> None:
    given: Any = [{"role": "user", "content": str(number)} for number in range(5)]
    made = sdk.responses.create(model="sky", input=given)
    orders: tuple[tuple[Literal["asc", "desc"], str], ...] = (("asc", "01234"), ("desc", "43210"))
    for order, expected in orders:
        pages: list[Any] = list(sdk.responses.input_items.list(made.id, order=order, limit=limit).iter_pages())
        assert all(len(page.data) <= limit for page in pages)
        assert "".join(item.content[0].text for page in pages for item in page.data) == expected
        assert [page.has_more for page in pages] == [True] * (len(pages) - 1) + [False]
    assert "".join(item["content"][0]["text"] for item in listed(served, made.id).json["data"]) == "43210"


def test_the_end_of_a_list_is_an_empty_page(sdk: openai.OpenAI, served: Served) -> None:
    made = sdk.responses.create(model="sky", input="Why?")
    (item,) = sdk.responses.input_items.list(made.id)
    end = listed(served, made.id, f"?after={item.id}").json
    assert end == {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
    alone = sdk.responses.create(model="sky", input=[], instructions="Say hello.")
    assert listed(served, alone.id).json["data"] == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.5", "limit"),
        ("order=random", "order"),
        ("order=", "order"),
        ("after=msg_nobody", "after"),
        ("after=%00", "after"),
    ],
)
def test_a_list_that_is_asked_for_wrongly(served: Served, query: str, named: str) -> None:
    made = served.ask("POST", routes.RESPONSES, {"model": "sky", "input": "x"}).json["id"]
    answer = listed(served, made, f"?{query}")
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert answer.json["error"]["message"].startswith(named)


def test_what_is_not_kept_has_no_items_and_no_end(sdk: openai.OpenAI) -> None:
    unkept = sdk.responses.create(model="sky", input="Why?", store=False)
    for response_id in (unkept.id, "resp_nothing", "resp_%2e%2e"):
        with pytest.raises(openai.NotFoundError, match="not kept"):
            sdk.responses.input_items.list(response_id)
        with pytest.raises(openai.NotFoundError, match="not kept"):
            sdk.responses.cancel(response_id)


def test_only_what_is_made_in_the_background_could_be_cancelled(sdk: openai.OpenAI, served: Served) -> None:
    made = sdk.responses.create(model="sky", input="Why?")
    for response_id in (made.id, "resp_a"):
        with pytest.raises(openai.BadRequestError, match="not made in the background") as caught:
            sdk.responses.cancel(response_id)
        assert (caught.value.param, caught.value.code) == ("response_id", "invalid_request")
    assert served.live.cancelled == []
    assert sdk.responses.retrieve(made.id).status == "completed"
    answer = served.ask("DELETE", f"{routes.REQUESTS}/resp_a")
    assert (answer.status, served.live.cancelled) == (200, ["req_a"])


def test_no_key_lists_or_ends_what_another_one_keeps(keyed: Served) -> None:
    mine, other = (
        {**JSON, "x-api-key": keys.create(keyed.keys_path, name, "inference", "normal", False)[0]} for name in "ab"
    )
    made = keyed.ask("POST", routes.RESPONSES, {"model": "sky", "input": "x"}, mine).json["id"]
    path = f"{routes.RESPONSES}/{made}"
    assert [keyed.ask("GET", f"{path}/input_items", headers=who).status for who in (mine, other)] == [200, 404]
    assert [keyed.ask("POST", f"{path}/cancel", headers=who).status for who in (mine, other)] == [400, 404]
    count = {"model": "sky", "previous_response_id": made}
    path = routes.RESPONSE_INPUT_TOKENS
    assert [keyed.ask("POST", path, count, who).status for who in (mine, other)] == [200, 404]
