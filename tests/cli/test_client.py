"""The client against replies of every shape, and against peers that break off."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from omlx_cli.client import Client, error_of
from omlx_cli.contract import routes
from omlx_cli.contract.api import Done, ModelBody, PsReply
from omlx_cli.contract.errors import Code, OmlxError
from tests.cli.stand_in import BREAK, Canned, StandIn, refusal, reply


@contextmanager
def raw_peer(path: Path, answer: bytes) -> Iterator[None]:
    """Answer one request with bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


def failure_of(client: Client) -> OmlxError:
    with pytest.raises(OmlxError) as caught:
        client.get(routes.PS, PsReply)
    return caught.value


@pytest.fixture
def client(daemon: StandIn) -> Client:
    return Client(str(daemon.socket))


def test_nobody_listening_is_not_running(tmp_path: Path) -> None:
    client = Client(str(tmp_path / "none.sock"))
    assert client.health() is None
    assert failure_of(client).code is Code.DAEMON_UNREACHABLE
    (tmp_path / "none.sock").write_text("a file, no socket")
    assert client.health() is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
        b"220 mail.example ESMTP\r\n",
    ],
)
def test_a_peer_that_breaks_off_went_away(tmp_path: Path, answer: bytes) -> None:
    path = tmp_path / "s"
    with raw_peer(path, answer):
        error = failure_of(Client(str(path)))
    assert (error.code, str(error)) == (
        Code.DAEMON_UNREACHABLE,
        "the daemon went away before it had answered",
    )


def test_a_peer_that_is_silent_does_not_answer(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        with pytest.raises(OmlxError, match="the daemon does not answer"):
            Client(str(path)).health(timeout_s=0.05)


def test_replies_tolerate_fields_of_a_newer_daemon(client: Client, daemon: StandIn) -> None:
    daemon.says("POST", routes.PIN, reply({"schema_version": 1, "message": "pinned", "mood": "good"}))
    assert client.post(routes.PIN, ModelBody(model="a"), Done).message == "pinned"
    assert daemon.asked(routes.PIN) == [{"model": "a"}]
    assert daemon.seen[-1].headers["Content-Type"] == "application/json"


def test_a_reply_that_is_no_json_is_said_to_be_so(client: Client, daemon: StandIn) -> None:
    daemon.says("GET", routes.PS, Canned(b"<html>"))
    error = failure_of(client)
    assert error.code is Code.INTERNAL
    assert str(error).startswith("the daemon's reply cannot be read: ")


def test_errors_in_the_contracts_shape(client: Client, daemon: StandIn) -> None:
    daemon.says("GET", routes.PS, refusal(Code.PINNED, "it is pinned", "unpin it", 409))
    error = failure_of(client)
    assert (error.code, str(error), error.body.hint) == (Code.PINNED, "it is pinned", "unpin it")


def test_errors_in_openais_shape() -> None:
    data = b'{"error":{"message":"no such model","type":"invalid_request_error","param":null,"code":"model_not_found"}}'
    error = error_of(data, 404)
    assert (error.code, str(error), error.body.param) == (Code.MODEL_NOT_FOUND, "no such model", "")


@pytest.mark.parametrize(
    ("data", "status", "code", "message"),
    [
        (b"<html>", 502, Code.PULL_FAILED, "the daemon answered with HTTP 502"),
        (b'{"error":{"message":"new","code":"a_code_of_tomorrow"}}', 404, Code.MODEL_NOT_FOUND, "new"),
        (b'{"error":{"message":"odd","code":null}}', 418, Code.INTERNAL, "odd"),
        (b'{"detail":"x"}', 500, Code.LOAD_FAILED, "the daemon answered with HTTP 500"),
    ],
)
def test_errors_in_no_known_shape(data: bytes, status: int, code: Code, message: str) -> None:
    error = error_of(data, status)
    assert (error.code, str(error)) == (code, message)


def test_lines_arrive_one_by_one_whatever_the_chunks_are(client: Client, daemon: StandIn) -> None:
    arrived = threading.Semaphore(1)
    chunks = [b"on", b"e\ntwo\nth", b"ree\n", b"four"]
    daemon.says("POST", routes.PULL, Canned(chunks, gate=lambda _: arrived.acquire(timeout=60)))
    lines = client.lines(routes.PULL, {})
    arrived.release()
    assert next(lines) == b"one"
    arrived.release(2)
    assert list(lines) == [b"two", b"three", b"four"]


def test_a_stream_that_breaks_off_went_away(client: Client, daemon: StandIn) -> None:
    daemon.says("POST", routes.PULL, Canned([b"one\n", BREAK]))
    lines = client.lines(routes.PULL, {})
    assert next(lines) == b"one"
    with pytest.raises(OmlxError, match="went away"):
        next(lines)


def test_closing_a_stream_hangs_up(client: Client, daemon: StandIn) -> None:
    gone = threading.Event()

    def gate(index: int) -> None:
        if index == 1:
            gone.wait(60)

    daemon.says("POST", routes.PULL, Canned([b"one\n", b"two\n" * 100_000, b"three\n"], gate=gate))
    lines = client.lines(routes.PULL, {})
    assert next(lines) == b"one"
    lines.close()  # type: ignore[attr-defined]
    gone.set()
