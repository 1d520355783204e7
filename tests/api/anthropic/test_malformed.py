"""Every malformed request gets a clear 400 in Anthropic's shape that names the field, and the server answers on."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from omlx_cli.contract import routes
from tests.api.anthropic.bodies import ASK
from tests.api.anthropic.malformed import Wrong, requests
from tests.api.serving import JSON, Answer, Served

WRONG = list(requests())


@pytest.fixture(scope="module")
def connection(served: Served) -> Iterator[http.client.HTTPConnection]:
    """One connection for all: an error must not spoil it for the next request."""
    one = served.connect()
    yield one
    one.close()


def test_there_are_enough() -> None:
    assert len(set(WRONG)) == len(WRONG) > 250


@pytest.mark.parametrize("wrong", WRONG, ids=[f"{index}-{wrong.param or 'body'}" for index, wrong in enumerate(WRONG)])
def test_malformed(connection: http.client.HTTPConnection, served: Served, wrong: Wrong) -> None:
    connection.request("POST", wrong.path, wrong.body, JSON)
    answer = Answer(connection.getresponse())
    assert answer.status == 400, answer.text
    assert set(answer.json) == {"type", "error", "request_id"}
    assert (answer.json["type"], answer.json["request_id"]) == ("error", answer.headers["request-id"])
    error = answer.json["error"]
    assert set(error) == {"type", "message"}
    assert error["type"] == "invalid_request_error"
    assert wrong.param in error["message"]
    assert len(error["message"]) < 300
    assert "Traceback" not in answer.text
    assert served.inference.requests == []


def test_the_server_still_answers(served: Served) -> None:
    body = {"model": "sky", "max_tokens": 9, "messages": ASK}
    assert served.ask("POST", routes.MESSAGES, body).status == 200
