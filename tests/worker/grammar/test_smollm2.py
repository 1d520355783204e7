"""The real model, held to schemas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from omlx_daemon.core.events import FinishReason
from omlx_daemon.core.requests import GenerationRequest, ResponseFormat
from tests.worker.bench import ModelBench, ask, finished, text, tokens

pytestmark = [pytest.mark.model, pytest.mark.timeout(400)]
CITY = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 30},
        "country": {"type": "string", "maxLength": 30},
        "inhabitants": {"type": "integer", "minimum": 0, "maximum": 100_000_000},
        "capital": {"type": "boolean"},
    },
    "required": ["city", "country", "inhabitants", "capital"],
    "additionalProperties": False,
}
COLOURS = {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 2, "maxItems": 3}
PERSON = {
    "$defs": {"date": {"type": "string", "format": "date"}},
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Z][a-z]{1,12} [A-Z][a-z]{1,14}$"},
        "born": {"$ref": "#/$defs/date"},
        "died": {"anyOf": [{"$ref": "#/$defs/date"}, {"type": "null"}]},
    },
    "required": ["name", "born", "died"],
    "additionalProperties": False,
}
ASKED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Tell me of Paris, as JSON.", CITY),
    ("Name colours of a flag, as a JSON list.", COLOURS),
    ("Who was Marie Curie? Answer in JSON.", PERSON),
    ("What is 17 + 25? Answer with a JSON number.", {"type": "integer", "minimum": 0, "maximum": 1000}),
    ("Is the sky blue? Answer in JSON.", {"enum": ["yes", "no", "sometimes"]}),
)


@pytest.fixture(scope="module")
def bench(smollm2_path: Path) -> ModelBench:
    return ModelBench(smollm2_path)


def held(name: str, prompt: str, schema: dict[str, Any], **sampling: Any) -> GenerationRequest:
    request = ask(name, prompt, chat=True, **{"temperature": 0.0, "max_tokens": 200, **sampling})
    return msgspec.structs.replace(request, response_format=ResponseFormat(schema=schema))


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.5, "seed": 3}], ids=["greedy", "drawn"])
def test_every_answer_is_what_its_schema_says(bench: ModelBench, sampling: dict[str, Any]) -> None:
    answers = bench.run(*(held(f"r{n}", prompt, schema, **sampling) for n, (prompt, schema) in enumerate(ASKED)))
    for events, (_, schema) in zip(answers, ASKED, strict=True):
        assert finished(events).reason is FinishReason.STOP
        validator: Any = jsonschema.Draft202012Validator(schema)
        validator.validate(json.loads(text(events)))


def test_a_free_answer_beside_them_is_the_one_it_gives_alone(bench: ModelBench) -> None:
    free = ask("free", "Why is the sky blue?", chat=True, temperature=0.0, max_tokens=24)
    alone = tokens(bench.run(free)[0])
    beside = bench.run(*(held(f"r{n}", prompt, schema) for n, (prompt, schema) in enumerate(ASKED)), free)
    assert tokens(beside[-1]) == alone
