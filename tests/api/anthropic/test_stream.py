"""Streams of events, byte for byte but for the id."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.settings import ServerSettings
from omlx_daemon.core.models import Served as ServedModel
from tests.api.anthropic.bodies import ASK
from tests.api.serving import Answer, Served, serving

GOLDENS = Path(__file__).parent / "goldens"
CASES: dict[str, dict[str, Any]] = {
    "text": {},
    "length": {"max_tokens": 2},
    "stop": {"stop_sequences": ["is"]},
    "agent": {"model": "agent", "context_management": {"edits": []}},
    "omitted": {"model": "agent", "thinking": {"type": "adaptive", "display": "omitted"}},
    "budget": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    "taking_back": {"model": "taking-back"},
    "crash": {"model": "crashing"},
    "silent": {"model": "silent"},
    "restored": {"model": "restored"},
    "scaled": {"model": "scaled"},
}


def stream(served: Served, *, pings: int = 0, **fields: Any) -> Answer:
    """Return a stream whose script goes on after so many pings."""
    served.names.windows["scaled"] = ServedModel(name="agent", context_tokens=2000, client_window_tokens=200_000)
    asked = {"model": "sky", "max_tokens": 64, "messages": ASK, "stream": True, **fields}
    answer = served.ask_until(lambda came: names(came).count("ping") >= pings, routes.MESSAGES, asked)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    return answer


def settled(transcript: str) -> str:
    """Return `transcript` with the ids replaced."""
    return re.sub(r'"(msg|req)_[0-9a-f]{32}"', r'"\1_ID"', transcript)


def names(transcript: str) -> list[str]:
    return re.findall(r"^event: (\w+)$", transcript, re.MULTILINE)


@pytest.mark.parametrize("name", CASES)
def test_transcript(served: Served, name: str) -> None:
    assert settled(stream(served, **CASES[name]).text) == (GOLDENS / f"{name}.sse").read_text()


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"crash", "silent"}))
def test_every_event_names_its_own_type_and_the_order_is_anthropics(served: Served, name: str) -> None:
    transcript = stream(served, **CASES[name]).text
    for event, data in re.findall(r"^event: (\w+)\ndata: (.*)\n$", transcript, re.MULTILINE):
        assert json.loads(data)["type"] == event
    kinds = re.sub(
        r"(start )(ping )((block_start )(block_delta )+(block_stop ))*(delta )(stop )",
        "ok",
        " ".join(names(transcript)).replace("content_", "").replace("message_", "") + " ",
    )
    assert kinds == "ok"


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"crash", "silent"}))
def test_a_stream_says_what_a_whole_message_says(served: Served, name: str) -> None:
    served.names.windows["scaled"] = ServedModel(name="agent", context_tokens=2000, client_window_tokens=200_000)
    whole = served.ask("POST", routes.MESSAGES, {"model": "sky", "max_tokens": 64, "messages": ASK, **CASES[name]})
    end = next(
        json.loads(data)
        for data in re.findall(r"^data: (.*)$", stream(served, **CASES[name]).text, re.M)
        if '_delta","delta":{"stop' in data
    )
    assert whole.status == 200
    assert end["usage"] == whole.json["usage"]
    for key, value in end["delta"].items():
        assert whole.json[key] == value
    assert end.get("context_management") == whole.json.get("context_management")


@pytest.mark.parametrize("keep_alive", ["20ms", "0", "never"])
def test_a_long_prefill_is_not_silent(socket_folder: Path, keep_alive: str) -> None:
    with serving(socket_folder / "k", ServerSettings(keep_alive=keep_alive)) as served:
        told = names(stream(served, pings=5 if keep_alive == "20ms" else 0, model="prefilling").text)
    assert told[:2] == ["message_start", "ping"]
    pings = told[2 : told.index("content_block_start")]
    assert set(pings) <= {"ping"}
    assert len(pings) > 2 if keep_alive == "20ms" else not pings
    assert told[-1] == "message_stop"


def test_a_long_load_is_not_silent(socket_folder: Path) -> None:
    with serving(socket_folder / "l", ServerSettings(keep_alive="20ms")) as served:
        answer = stream(served, pings=2, model="loading-slowly")
    told = names(answer.text)
    start = told.index("message_start")
    assert start > 1
    assert set(told[:start]) == {"ping"}
    assert '"input_tokens":7' in answer.text
    assert ": " not in re.sub(r"^(event|data): .*$", "", answer.text, flags=re.MULTILINE)


def test_a_long_load_that_fails_ends_the_stream_with_one_error(socket_folder: Path) -> None:
    with serving(socket_folder / "f", ServerSettings(keep_alive="20ms")) as served:
        answer = stream(served, pings=1, model="loading-in-vain")
    told = names(answer.text)
    assert (set(told[:-1]), told[-1]) == ({"ping"}, "error")
    assert answer.text.count('"type":"api_error"') == 1


def test_an_unexpected_failure_keeps_its_secrets(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    answer = stream(served, model="raising-late")
    assert "secret" not in answer.text
    assert names(answer.text)[-1] == "error"
    assert answer.headers["request-id"] in answer.text.splitlines()[-2]
    assert any(answer.headers["request-id"] in record.getMessage() for record in caplog.records)


def test_true_counts_stand_in_the_headers(served: Served) -> None:
    answer = stream(served, model="scaled")
    assert answer.headers["x-omlx-true-input-tokens"] == "1000"
    assert answer.headers["x-omlx-cache"] == "hot=400 cold=112 recomputed=488"
    start = json.loads(answer.text.splitlines()[1].removeprefix("data: "))["message"]["usage"]
    assert (start["input_tokens"], start["cache_read_input_tokens"]) == (48_800, 51_200)
    whole = served.ask("POST", routes.MESSAGES, {"model": "scaled", "max_tokens": 9, "messages": ASK})
    assert whole.headers["x-omlx-true-input-tokens"] == "1000"
    assert whole.headers["x-omlx-true-output-tokens"] == "40"
    assert whole.json["model"] == "scaled"
    assert whole.json["usage"]["output_tokens"] == 4000
