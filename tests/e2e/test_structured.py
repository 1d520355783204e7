"""Answers held to schemas and tools, through the real daemon, by the real OpenAI SDK over TCP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import jsonschema
import openai
import pytest
from pydantic import BaseModel, Field

from tests.e2e.conftest import Home, make_home
from tests.worker.models import write_model

TEMPLATE = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<s>{{ m.role }}: {{ m.content }}"
    "{% for tool_call in m.tool_calls or [] %}<tool_call>{{ tool_call.name }}</tool_call>{% endfor %}</s>{% endfor %}"
    "<s>assistant: "
)
MOVE: dict[str, Any] = {
    "type": "object",
    "properties": {"to": {"enum": ["north", "south"]}, "steps": {"type": "integer", "minimum": 1, "maximum": 9}},
    "required": ["to", "steps"],
    "additionalProperties": False,
}
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "move", "parameters": MOVE, "strict": True}},
    {"type": "function", "function": {"name": "wait"}},
]
SKY: Any = [{"role": "user", "content": "Why is the sky blue?"}]


class City(BaseModel):
    """What the SDK makes a strict schema of."""

    name: str = Field(max_length=20)
    continent: Literal["Africa", "America", "Asia", "Europe", "Oceania"]
    is_capital: bool


@pytest.fixture(scope="module")
def sdk(served: Home) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.base_url}/v1", api_key="unused", max_retries=0, timeout=100) as client:
        yield client


@pytest.fixture(scope="module")
def random(tmp_path_factory: pytest.TempPathFactory) -> Iterator[openai.OpenAI]:
    """Return a client of a daemon whose model has random weights, and a template that shows it tools."""
    folder = tmp_path_factory.mktemp("structured")
    model = write_model(folder / "random")
    config = json.loads((model / "tokenizer_config.json").read_text())
    (model / "tokenizer_config.json").write_text(json.dumps({**config, "chat_template": TEMPLATE}))
    home = make_home(folder, model)
    try:
        loaded = home.run("load", "random", "--ttl", "never")
        assert loaded.returncode == 0, loaded.stderr
        with openai.OpenAI(base_url=f"{home.base_url}/v1", api_key="unused", max_retries=0, timeout=60) as client:
            yield client
    finally:
        home.stop()


def describe(sdk: openai.OpenAI, place: str, **fields: Any) -> Any:
    schema = {"name": "city", "strict": True, "schema": {**City.model_json_schema(), "additionalProperties": False}}
    create: Any = sdk.chat.completions.create
    return create(
        model="smollm2",
        messages=[{"role": "user", "content": f"Tell me about {place}."}],
        response_format={"type": "json_schema", "json_schema": schema},
        **{"temperature": 0, "max_tokens": 120, **fields},
    )


@pytest.mark.model
def test_an_answer_is_what_its_schema_says_whole_and_streamed(sdk: openai.OpenAI) -> None:
    whole = describe(sdk, "Paris").choices[0]
    assert whole.finish_reason == "stop"
    assert City.model_validate_json(whole.message.content)
    chunks = [chunk.choices[0] for chunk in describe(sdk, "Paris", stream=True)]
    assert "".join(chunk.delta.content or "" for chunk in chunks) == whole.message.content
    assert chunks[-1].finish_reason == "stop"


@pytest.mark.model
def test_the_sdk_parses_it_into_its_own_type(sdk: openai.OpenAI) -> None:
    reply = sdk.chat.completions.parse(
        model="smollm2",
        messages=[{"role": "user", "content": "Tell me about Nairobi."}],
        response_format=City,
        temperature=1.0,
        seed=4,
        n=2,
        max_tokens=120,
    )
    assert all(isinstance(choice.message.parsed, City) for choice in reply.choices)


@pytest.mark.model
def test_answers_that_are_free_are_the_same_beside_it(sdk: openai.OpenAI) -> None:
    def free() -> str | None:
        reply = sdk.chat.completions.create(model="smollm2", messages=SKY, temperature=0, max_tokens=24)
        return reply.choices[0].message.content

    alone = free()
    with ThreadPoolExecutor(4) as pool:
        held = [pool.submit(describe, sdk, place) for place in ("Rome", "Lima", "Cairo")]
        beside = pool.submit(free)
    assert beside.result() == alone
    assert all(City.model_validate_json(reply.result().choices[0].message.content) for reply in held)


@pytest.mark.model
def test_a_limit_cuts_it_and_says_so(sdk: openai.OpenAI) -> None:
    choice = describe(sdk, "Oslo", max_tokens=4).choices[0]
    assert choice.finish_reason == "length"
    with pytest.raises(ValueError, match="JSON"):
        City.model_validate_json(choice.message.content)


@pytest.mark.model
def test_what_cannot_be_enforced_is_a_400_that_names_its_field(sdk: openai.OpenAI) -> None:
    unsupported: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"not": {"type": "string"}}}}
    call: Any = {"tools": TOOLS[1:], "tool_choice": "required"}
    for fields, param in (({"response_format": unsupported}, "response_format"), (call, "tool_choice")):
        with pytest.raises(openai.BadRequestError) as refused:
            sdk.chat.completions.create(model="smollm2", messages=SKY, max_tokens=4, **fields)
        assert refused.value.param == param


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "move"}}])
def test_calls_are_made_as_the_choice_says_by_a_model_that_knows_nothing(random: openai.OpenAI, choice: Any) -> None:
    named = isinstance(choice, dict)
    for seed in range(4):
        reply = random.chat.completions.create(
            model="random", messages=SKY, tools=TOOLS, tool_choice=choice, temperature=2, seed=seed, max_tokens=900
        )
        said = reply.choices[0]
        assert said.finish_reason == "tool_calls"
        assert not said.message.content
        calls: list[Any] = list(said.message.tool_calls or [])
        assert calls
        for call in calls:
            assert call.function.name in (("move",) if named else ("move", "wait"))
            validator: Any = jsonschema.Draft202012Validator(MOVE if call.function.name == "move" else {})
            validator.validate(json.loads(call.function.arguments))


def test_without_parallel_calls_it_makes_one(random: openai.OpenAI) -> None:
    reply = random.chat.completions.create(
        model="random",
        messages=SKY,
        tools=TOOLS,
        tool_choice="required",
        parallel_tool_calls=False,
        temperature=2,
        seed=1,
        max_tokens=900,
    )
    assert len(reply.choices[0].message.tool_calls or []) == 1


def test_any_object_is_json_too(random: openai.OpenAI) -> None:
    bias = {str(byte): 60 for byte in (1, 92)}
    reply = random.chat.completions.create(
        model="random",
        messages=SKY,
        response_format={"type": "json_object"},
        temperature=2,
        seed=2,
        max_tokens=900,
        logit_bias=bias,
    )
    assert isinstance(json.loads(reply.choices[0].message.content or ""), dict)
