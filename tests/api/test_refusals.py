"""Refusals come as HTTP errors, before any header of an answer."""

from __future__ import annotations

import pytest

from omlx_cli.contract.settings import ServerSettings
from tests.api.serving import JSON, Answer, Served, serving

CHAT = "/v1/chat/completions"


def ask(served: Served, model: str, stream: bool) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream}
    return served.ask("POST", CHAT, body)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "status", "kind", "code", "param"),
    [
        ("full", 503, "server_error", "queue_full", None),
        ("long", 400, "invalid_request_error", "context_length_exceeded", "messages"),
        ("skyy", 404, "invalid_request_error", "model_not_found", "model"),
        ("raising", 500, "server_error", "internal", None),
    ],
)
def test_refused(
    served: Served, stream: bool, model: str, status: int, kind: str, code: str, param: str | None
) -> None:
    answer = ask(served, model, stream)
    assert answer.status == status
    error = answer.json["error"]
    assert (error["type"], error["code"], error["param"]) == (kind, code, param)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_messages_help(served: Served) -> None:
    assert "did you mean sky" in ask(served, "skyy", False).json["error"]["message"]
    long = ask(served, "long", True).json["error"]["message"]
    assert "9018" in long
    assert "8192" in long


def test_the_older_dialect_has_a_prompt(served: Served) -> None:
    answer = served.ask("POST", "/v1/completions", {"model": "long", "prompt": "hi"})
    assert answer.json["error"]["param"] == "prompt"


def test_retry_after(served: Served) -> None:
    assert ask(served, "full", True).headers["retry-after"] == "1"
    assert served.ask_unix("POST", "/omlx/v1/models/load", {"model": "huge"}).headers["retry-after"] == "2"


def test_a_crash_of_a_whole_answer_is_an_error(served: Served) -> None:
    assert ask(served, "crashing", False).status == 500
    assert ask(served, "silent", False).json["error"]["code"] == "generation_failed"


def test_an_internal_error_names_the_request(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(served, "raising", False)
    assert answer.headers["x-request-id"] in answer.json["error"]["message"]
    assert "/secret/place" in caplog.text


@pytest.mark.parametrize("chunked", [True, False])
def test_a_body_over_the_limit(served: Served, chunked: bool) -> None:
    with serving(served.unix_path.with_name("b"), ServerSettings(max_body="1kB")) as small:
        connection = small.connect()
        connection.request("POST", CHAT, iter([b" " * 600] * 2) if chunked else b" " * 1200, JSON)
        answer = Answer(connection.getresponse())
        connection.close()
        assert answer.status == 413
        assert answer.json["error"]["code"] == "body_too_large"
        assert small.ask("GET", "/health").status == 200


def test_routes_and_methods(served: Served) -> None:
    for method, path, status, code in (
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", CHAT, 405, "method_not_allowed"),
        ("GET", "/omlx/v1/nothing", 404, "not_found"),
        ("POST", "/health", 405, "method_not_allowed"),
        ("DELETE", "/v1/models/sky", 405, "method_not_allowed"),
        ("GET", "/", 404, "not_found"),
    ):
        answer = served.ask(method, path)
        assert (answer.status, answer.json["error"]["code"]) == (status, code), path
        assert ("type" in answer.json["error"]) is path.startswith("/v1/")
        assert status != 405 or "allow" in answer.headers
