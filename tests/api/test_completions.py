"""The older text dialect."""

from __future__ import annotations

from typing import Any

import pytest

from omlx_daemon.core.requests import ResponseFormat
from tests.api.scripts import PROMPT_TOKENS, text_of
from tests.api.serving import Served


def complete(served: Served, **fields: object) -> Any:
    answer = served.ask("POST", "/v1/completions", {"model": "sky", "prompt": "Look:", **fields})
    assert answer.status == 200, answer.text
    return answer.json


def test_a_whole_text(served: Served) -> None:
    reply = complete(served)
    assert reply["id"].startswith("cmpl-")
    assert reply["object"] == "text_completion"
    assert reply["choices"] == [{"index": 0, "text": "The sky is blue.", "logprobs": None, "finish_reason": "stop"}]
    assert served.inference.requests[-1].sampling.max_tokens == 16


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([1, 2, 3], ["1,2,3"]),
        ([[1, 2], [3]], ["1,2", "3"]),
        (["one", [7]], ["one", "7"]),
    ],
)
def test_forms_of_the_prompt(served: Served, prompt: object, texts: list[str]) -> None:
    reply = complete(served, prompt=prompt)
    assert [text_of(request) for request in served.inference.requests[-len(texts) :]] == texts
    assert [choice["index"] for choice in reply["choices"]] == list(range(len(texts)))
    assert reply["usage"]["prompt_tokens"] == PROMPT_TOKENS * len(texts)


def test_choices_of_several_prompts_stand_in_order_of_the_prompts(served: Served) -> None:
    reply = complete(served, prompt=["one", "two"], n=2, echo=True)
    assert [choice["text"][:3] for choice in reply["choices"]] == ["one", "one", "two", "two"]
    assert reply["usage"]["prompt_tokens"] == PROMPT_TOKENS * 2
    assert reply["usage"]["completion_tokens"] == 20
    assert reply["usage"]["prompt_tokens_details"]["cached_tokens"] == 2 + 4


def test_echo(served: Served) -> None:
    assert complete(served, echo=True)["choices"][0]["text"] == "Look:The sky is blue."


def test_logprobs_in_the_older_form(served: Served) -> None:
    logprobs = complete(served, logprobs=2, max_tokens=2)["choices"][0]["logprobs"]
    assert logprobs == {
        "tokens": ["The", " sky"],
        "token_logprobs": [-0.25, -0.25],
        "top_logprobs": [{"The~0": -1.0, "The": -0.25}, {" sky~0": -1.0, " sky": -0.25}],
        "text_offset": [0, 3],
    }
    assert complete(served, logprobs=0)["choices"][0]["logprobs"]["top_logprobs"] is None


def test_best_of_n_is_n(served: Served) -> None:
    assert len(complete(served, n=2, best_of=2, suffix="")["choices"]) == 2


def test_a_form_of_the_answer(served: Served) -> None:
    wish = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "array"}, "strict": False}}
    complete(served, prompt=["a", "b"], response_format=wish)
    asked = served.inference.requests[-1].response_format
    assert asked == ResponseFormat(schema={"type": "array"}, strict=False)
