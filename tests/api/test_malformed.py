"""Every malformed request gets a clear 4xx that names the field, and the server answers on."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from omlx_cli.contract import routes
from tests.api.malformed import CHAT_ONLY, Wrong, requests
from tests.api.serving import JSON, Answer, Served

WRONG = list(requests())


@pytest.fixture(scope="module")
def connection(served: Served) -> Iterator[http.client.HTTPConnection]:
    """One connection for all: an error must not spoil it for the next request."""
    one = served.connect()
    yield one
    one.close()


def test_there_are_enough() -> None:
    assert len(set(WRONG)) == len(WRONG) > 400


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{index}-{wrong.param or 'body'}" for index, wrong in enumerate(WRONG)])
def test_malformed(
    connection: http.client.HTTPConnection, served: Served, wrong: Wrong, caplog: pytest.LogCaptureFixture
) -> None:
    connection.request("POST", wrong.path, wrong.body, JSON)
    answer = Answer(connection.getresponse())
    assert answer.status == 400, answer.text
    error = answer.json["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    if wrong.param:
        assert (error["param"] or "").startswith(wrong.param)
        assert wrong.param in error["message"]
    assert len(error["message"]) < 300
    assert "Traceback" not in answer.text
    assert served.inference.requests == []
    assert caplog.records == []


@pytest.mark.parametrize("field", sorted(CHAT_ONLY.keys() & {"audio", "prediction", "web_search_options"}))
def test_what_is_to_come_is_named_as_such(served: Served, field: str) -> None:
    body = {"model": "sky", "messages": [{"role": "user", "content": "hi"}], field: {"type": "json_object"}}
    assert served.ask("POST", routes.CHAT_COMPLETIONS, body).json["error"]["message"] == f"{field}: not supported yet"


def test_the_server_still_answers(served: Served) -> None:
    body = {"model": "sky", "messages": [{"role": "user", "content": "hi"}]}
    assert served.ask("POST", routes.CHAT_COMPLETIONS, body).status == 200
