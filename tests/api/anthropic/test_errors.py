"""Errors in Anthropic's shape: types, statuses, and the words that make a client compact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.errors import MEANINGS, Code, ErrorBody
from omlx_cli.contract.settings import ServerKey, ServerSettings
from omlx_daemon.api.anthropic import errors
from omlx_daemon.core.errors import kv_too_small, prompt_too_long
from tests.api.anthropic.bodies import ASK
from tests.api.serving import JSON, Answer, Served, serving

KEY, OWN_KEY = "sk-ant-omlx-1", "sk-ant-omlx-2"
BODY = {"model": "sky", "max_tokens": 9, "messages": ASK}
KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@pytest.fixture(scope="module")
def keyed(socket_folder: Path) -> Iterator[Served]:
    own = ServerKey(name="claude", key=OWN_KEY)
    with serving(socket_folder / "keyed", ServerSettings(api_key=KEY, keys=(own,), max_body="1KiB")) as app:
        yield app


def check(answer: Answer, status: int, kind: str = "") -> str:
    """See that an error has Anthropic's shape; return its message."""
    assert (answer.status, answer.json["type"]) == (status, "error")
    assert answer.json["error"]["type"] == (kind or KINDS[status])
    assert answer.json["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    return str(answer.json["error"]["message"])


@pytest.mark.parametrize("path", [routes.MESSAGES, routes.COUNT_TOKENS])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"x-api-key": "no"}, 401),
        ({"x-api-key": KEY}, 200),
        ({"x-api-key": OWN_KEY}, 200),
        ({"authorization": f"Bearer {OWN_KEY}"}, 200),
    ],
)
def test_the_key_of_anthropics_clients_is_ours(keyed: Served, path: str, headers: dict[str, str], status: int) -> None:
    answer = keyed.ask("POST", path, BODY, {**JSON, "anthropic-version": "2023-06-01", **headers})
    assert answer.status == status, answer.text
    if status != 200:
        assert "x-api-key" in check(answer, status)


def test_a_key_names_the_client(keyed: Served) -> None:
    keyed.ask("POST", routes.MESSAGES, BODY, {**JSON, "x-api-key": OWN_KEY})
    assert keyed.inference.requests[-1].client == "claude"


def test_what_the_guard_refuses_has_the_shape_too(keyed: Served) -> None:
    headers = {**JSON, "x-api-key": KEY}
    check(keyed.ask("POST", routes.MESSAGES, BODY, {**headers, "origin": "https://evil.example"}), 403)
    check(keyed.ask("POST", routes.MESSAGES, {**BODY, "system": "x" * 2000}, headers), 413)
    check(keyed.ask("GET", routes.MESSAGES, headers=headers), 405, "invalid_request_error")
    text = {**headers, "content-type": "text/plain"}
    check(keyed.ask("POST", routes.MESSAGES, BODY, text), 415, "invalid_request_error")
    check(keyed.ask("POST", f"{routes.MESSAGES}/batches", BODY, headers), 404)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("model", "status"),
    [("skyy", 404), ("long", 400), ("full", 529), ("raising", 500)],
)
def test_refusals_are_http_errors_whole_and_streamed(served: Served, model: str, status: int, stream: bool) -> None:
    answer = served.ask("POST", routes.MESSAGES, {**BODY, "model": model, "stream": stream})
    assert "secret" not in check(answer, status)
    assert ("retry-after" in answer.headers) == (model == "full")


def test_a_prompt_over_the_context_is_told_in_the_words_that_clients_know(served: Served) -> None:
    message = check(served.ask("POST", routes.MESSAGES, {**BODY, "model": "long"}), 400)
    assert message == "prompt is too long: 9018 tokens > 8192 maximum"


def test_so_is_one_whose_kv_never_fits() -> None:
    body = kv_too_small(9018, 4096, 2 << 30, 1 << 30).body
    told = errors.reply(body, errors.status_of(body), "req_1")
    assert (errors.status_of(body), told.error.type) == (400, "invalid_request_error")
    assert told.error.message.startswith("prompt is too long: 9018 tokens > 4096 maximum; ")
    assert "MiB" in told.error.message


@pytest.mark.parametrize("code", Code)
def test_every_code_has_a_status_and_a_type_that_clients_know(code: Code) -> None:
    body = ErrorBody(code=code, message="it is so", hint="do this")
    status = errors.status_of(body)
    told = errors.reply(body, status, "req_1")
    assert told.error.message == "it is so; do this"
    if status in KINDS:
        assert told.error.type == KINDS[status]
    elif status < 499:
        assert told.error.type == "invalid_request_error"
    else:
        assert told.error.type == "api_error"
    busy = MEANINGS[code].http_status == 503
    assert (status == 529) == busy
    assert status not in (501, 503, 507)


def test_what_another_try_will_not_change_says_so() -> None:
    for code, told in ((Code.INSUFFICIENT_MEMORY, {"x-should-retry": "false"}), (Code.QUEUE_FULL, {})):
        assert errors.headers(ErrorBody(code=code, message="x")) == told
    assert "x-should-retry" not in errors.headers(prompt_too_long(2, 1).body)


def test_other_routes_keep_their_own_shape(served: Served) -> None:
    headers = {**JSON, "anthropic-version": "2023-06-01"}
    chat = served.ask("POST", routes.CHAT_COMPLETIONS, {"model": "sky"}, headers)
    assert set(chat.json["error"]) == {"message", "type", "param", "code"}
    control = served.ask("POST", routes.SHOW, {"model": "sky"}, headers)
    assert control.json["error"]["code"] == "forbidden"
