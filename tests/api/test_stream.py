"""Streams, byte for byte but for the id and the time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from omlx_cli.contract.settings import ServerSettings
from tests.api.serving import Answer, Served, serving

GOLDENS = Path(__file__).parent / "goldens"
CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"
ASK = [{"role": "user", "content": "Why is the sky blue?"}]
USAGE = {"include_usage": True}

CASES: dict[str, tuple[str, dict[str, object]]] = {
    "chat": (CHAT, {"messages": ASK}),
    "chat_usage": (CHAT, {"messages": ASK, "stream_options": USAGE, "max_tokens": 2}),
    "chat_logprobs": (CHAT, {"messages": ASK, "logprobs": True, "top_logprobs": 1, "max_tokens": 2}),
    "chat_tools": (CHAT, {"messages": ASK, "model": "thinking", "stream_options": USAGE}),
    "chat_agent": (CHAT, {"messages": ASK, "model": "agent", "stream_options": USAGE}),
    "chat_warning": (CHAT, {"messages": ASK, "model": "taking-back"}),
    "chat_stop": (CHAT, {"messages": ASK, "stop": ["is"]}),
    "chat_crash": (CHAT, {"messages": ASK, "model": "crashing"}),
    "chat_silent": (CHAT, {"messages": ASK, "model": "silent"}),
    "text": (TEXT, {"prompt": "Look:", "echo": True}),
    "text_logprobs": (TEXT, {"prompt": "Look:", "logprobs": 1, "max_tokens": 2, "stream_options": USAGE}),
}


def stream(served: Served, path: str, fields: dict[str, object], wait_for: str = "") -> Answer:
    body = {"model": "sky", "stream": True, **fields}
    answer = served.ask_until(lambda came: wait_for in came, path, body)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    return answer


def settled(transcript: str) -> str:
    """Return `transcript` with the id and the time replaced."""
    named = re.sub(r'"id":"(chatcmpl|cmpl)-[0-9a-f]{32}"', r'"id":"\1-ID"', transcript)
    return re.sub(r'"created":\d+', '"created":TIME', named)


@pytest.mark.parametrize("name", CASES)
def test_transcript(served: Served, name: str) -> None:
    assert settled(stream(served, *CASES[name]).text) == (GOLDENS / f"{name}.sse").read_text()


def test_choices_are_told_apart_by_index(served: Served) -> None:
    text = stream(served, CHAT, {"messages": ASK, "n": 2, "stream_options": USAGE}).text
    for index in (0, 1):
        deltas = re.findall(rf'"index":{index},"delta":{{"content":"([^"]*)"}}', text)
        assert "".join(deltas) == "The sky is blue."
        assert text.count(f'"index":{index},"delta":{{}},"logprobs":null,"finish_reason":"stop"') == 1
    assert text.count('"prompt_tokens":7,"completion_tokens":10') == 1
    assert text.endswith("data: [DONE]\n\n")


def test_an_unexpected_failure_keeps_its_secrets(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    answer = stream(served, CHAT, {"messages": ASK, "model": "raising-late"})
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.text.splitlines()[-2]
    assert any(answer.headers["x-request-id"] in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("keep_alive", ["20ms", "0", "never"])
def test_a_long_prefill_is_not_silent(socket_folder: Path, keep_alive: str) -> None:
    with serving(socket_folder / "k", ServerSettings(keep_alive=keep_alive)) as served:
        wait_for = ": prefill 300/300\n" if keep_alive == "20ms" else ""
        lines = stream(served, CHAT, {"messages": ASK, "model": "prefilling"}, wait_for).text.splitlines()
    comments = [line for line in lines if line.startswith(":")]
    if keep_alive == "20ms":
        assert ": prefill 300/300" in comments
        assert set(comments) <= {": queued 3", *(f": prefill {done}00/300" for done in (1, 2, 3))}
    else:
        assert comments == []
    assert lines[-2] == "data: [DONE]"


def test_a_long_load_is_not_silent(socket_folder: Path) -> None:
    with serving(socket_folder / "l", ServerSettings(keep_alive="20ms")) as served:
        comment = ": loading 25%\n"
        lines = stream(served, CHAT, {"messages": ASK, "model": "loading-slowly"}, comment).text.splitlines()
        text = stream(served, TEXT, {"prompt": "x", "model": "loading-slowly"}, comment).text.splitlines()
    for found in (lines, text):
        assert ": loading 25%" in found
        assert found[-2] == "data: [DONE]"
        assert sum('"finish_reason":"stop"' in line for line in found) == 1


def test_a_short_load_leaves_a_refusal_its_status(served: Served) -> None:
    for stream_it in (True, False):
        fields = {"messages": ASK, "model": "loading-in-vain", "stream": stream_it}
        answer = served.ask("POST", CHAT, fields)
        assert (answer.status, answer.json["error"]["code"]) == (500, "load_failed")


def test_a_long_load_that_fails_ends_the_stream_with_one_error(socket_folder: Path) -> None:
    with serving(socket_folder / "f", ServerSettings(keep_alive="20ms")) as served:
        answer = stream(served, CHAT, {"messages": ASK, "model": "loading-in-vain"}, ": loading 25%\n").text
    assert ": loading 25%" in answer
    assert answer.count('"code":"load_failed"') == 1
    assert "[DONE]" not in answer
