"""Whoever leaves is not worked for any longer."""

from __future__ import annotations

import socket

import pytest

from tests.api.serving import Served, until


def leave(served: Served, path: str, fields: bytes, wait_for: bytes) -> None:
    """Send a request over TCP, read until `wait_for` was received, and close the connection."""
    before = len(served.inference.started)
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(
            b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
            % (path.encode(), len(fields), fields)
        )
        received = b""
        while wait_for not in received:
            received += connection.recv(65536)
        if not wait_for:
            until(lambda: len(served.inference.started) > before)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
@pytest.mark.parametrize(
    ("fields", "wait_for"),
    [
        ('"model":"endless","stream":true', b"on "),
        ('"model":"endless","stream":true,"n":3', b'"index":2'),
        ('"model":"endless"', b""),
        ('"model":"endless","n":3', b""),
        ('"model":"loading","stream":true', b""),
        ('"model":"loading"', b""),
    ],
)
def test_generations_are_closed(served: Served, path: str, fields: str, wait_for: bytes) -> None:
    ask = '"messages":[{"role":"user","content":"hi"}]' if "chat" in path else '"prompt":"hi"'
    leave(served, path, f"{{{fields},{ask}}}".encode(), wait_for)
    until(lambda: served.inference.started == served.inference.closed)
    assert served.inference.started


def test_a_pull_is_left(served: Served) -> None:
    leave(served, "/v1/completions", b'{"model":"sky","prompt":"x"}', b"blue")
    connection = served.connect_unix()
    connection.request("POST", "/omlx/v1/models/pull", b'{"model":"stuck"}')
    response = connection.getresponse()
    assert b"download" in response.readline()
    assert not served.models.pull_closed
    response.close()
    connection.close()
    until(lambda: served.models.pull_closed)


def test_the_server_answers_on(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    leave(served, "/v1/completions", b'{"model":"endless","prompt":"x","stream":true}', b"on ")
    assert served.ask("GET", "/health").status == 200
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_leaving_before_the_body_is_there_is_no_error_of_ours(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(head + b'Content-Length: 900\r\n\r\n{"model":')
    leave(served, "/v1/completions", b'{"model":"endless","prompt":"x","stream":true}', b"on ")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
