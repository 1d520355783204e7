"""Random schemas on a model of random weights: whatever it says to its end is what was asked for."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import jsonschema
import msgspec
import pytest

from omlx_daemon.core.events import Event, FinishReason
from omlx_daemon.core.requests import GenerationRequest, ResponseFormat
from tests.worker.bench import ModelBench, ask, finished, text
from tests.worker.grammar.schemas import Schema, random_schema
from tests.worker.models import write_model

BATCH = 20
BATCHES = 10


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> ModelBench:
    return ModelBench(write_model(tmp_path_factory.mktemp("models") / "llama"))


def ask_for(name: str, schema: Schema, seed: int, endings: list[int]) -> GenerationRequest:
    """Ask for anything, but rather for the tokens that end something, so that random weights come to an end."""
    likely = dict.fromkeys(endings, 80.0)
    request = ask(name, "Say it.", temperature=20.0, seed=seed, max_tokens=600, logit_bias=likely)
    return msgspec.structs.replace(request, response_format=ResponseFormat(schema=schema))


def is_valid(events: list[Event], schema: Schema) -> bool:
    """Validate what came to its end; tell whether it did."""
    if finished(events).reason is FinishReason.LENGTH:
        return False
    validator: Any = jsonschema.Draft202012Validator(schema)
    validator.validate(json.loads(text(events)))
    return True


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_answer_that_ends_is_valid(bench: ModelBench, batch: int) -> None:
    random = Random(batch)
    schemas = [random_schema(random) for _ in range(BATCH)]
    for schema in schemas:
        jsonschema.Draft202012Validator.check_schema(schema)
    endings = bench.loaded.tokenizer.encode_text('"}],')
    requests = [ask_for(f"r{n}", schema, n, endings) for n, schema in enumerate(schemas)]
    answers = bench.run(*requests)
    ended = sum(is_valid(events, schema) for events, schema in zip(answers, schemas, strict=True))
    assert ended >= 0.95 * BATCH
