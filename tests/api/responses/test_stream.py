"""Streams of events, byte for byte but for ids and times."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from openai.types.responses import ResponseStreamEvent
from pydantic import BaseModel

from omlx_cli.contract import routes
from tests.api.serving import Answer, Served

GOLDENS = Path(__file__).parent / "goldens"
LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}}
WAIT = {"type": "custom", "name": "wait"}
CASES: dict[str, dict[str, Any]] = {
    "text": {},
    "length": {"max_output_tokens": 2},
    "agent": {"model": "agent", "tools": [LOOK, WAIT], "include": ["reasoning.encrypted_content"], "store": False},
    "taking_back": {"model": "taking-back", "tools": [LOOK]},
    "crash": {"model": "crashing"},
    "silent": {"model": "silent"},
    "too_long": {"model": "long"},
}


def stream(served: Served, **fields: Any) -> Answer:
    answer = served.ask("POST", routes.RESPONSES, {"model": "sky", "input": "Why?", "stream": True, **fields})
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    return answer


def settled(transcript: str) -> str:
    """Return `transcript` with ids and times replaced."""
    named = re.sub(r"(resp|msg|rs|fc|ctc)_[0-9a-f]{32}", r"\1_ID", transcript)
    sealed = re.sub(r'"omlx-0-[^"]*"', '"SEALED"', named)
    return re.sub(r'"(created_at|completed_at)":\d+', r'"\1":TIME', sealed)


@pytest.mark.parametrize("name", CASES)
def test_transcript(served: Served, name: str) -> None:
    assert settled(stream(served, **CASES[name]).text) == (GOLDENS / f"{name}.sse").read_text()


def test_what_the_caches_held_is_in_the_header(served: Served) -> None:
    assert stream(served).headers["x-omlx-cache"].startswith("hot=2 cold=0 recomputed=5")


def test_an_unexpected_failure_keeps_its_secrets(served: Served) -> None:
    answer = stream(served, model="raising-late")
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert answer.text.rstrip().rpartition("event: ")[2].startswith("response.failed")


def _known_events() -> dict[str, type[BaseModel]]:
    """Return the SDK's type of each event."""
    union = get_args(get_args(ResponseStreamEvent)[0])
    return {get_args(kind.model_fields["type"].annotation)[0]: kind for kind in union}


@pytest.mark.parametrize("name", ["text", "agent", "taking_back", "length"])
def test_events_are_what_the_sdk_declares(served: Served, name: str) -> None:
    kinds = _known_events()
    lines = stream(served, **CASES[name]).text.splitlines()
    events = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert events
    for event in events:
        kinds[json.loads(event)["type"]].model_validate_json(event)
