"""Who may ask for what: forged hosts, foreign pages, keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.settings import ServerSettings
from omlx_daemon.api.guard import is_local
from tests.api.serving import JSON, Answer, Served, serving

KEY = "sk-omlx-é-1"
CHAT = {"model": "sky", "messages": [{"role": "user", "content": "hi"}]}
ACTING = [
    routes.SHOW,
    routes.PULL,
    routes.REMOVE,
    routes.LOAD,
    routes.UNLOAD,
    routes.PIN,
    routes.UNPIN,
    routes.SHUTDOWN,
]
READING = [routes.STATUS, routes.PS, routes.MODELS, routes.OPENAI_MODELS, "/openapi.json", routes.READY]


@pytest.fixture(scope="module")
def keyed(socket_folder: Path) -> Iterator[Served]:
    settings = ServerSettings(api_key=KEY, allowed_hosts=("Box.local", "proxy:8443"), host="0.0.0.0")
    with serving(socket_folder / "keyed", settings) as app:
        yield app


def chat(served: Served, headers: dict[str, str]) -> Answer:
    return served.ask("POST", routes.CHAT_COMPLETIONS, CHAT, {**JSON, **headers})


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8000", "LOCALHOST:1", "[::1]", "[::1]:8000", "localhost:"])
def test_our_hosts(served: Served, host: str) -> None:
    assert chat(served, {"host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost:8000@evil.example",
        "evil.example/localhost",
        "localhost:80:80",
        "localhost:x",
        "[::1].evil.example",
        "[::1",
        "::1x",
        "0.0.0.0",
        "box.local",
        "",
    ],
)
def test_forged_hosts(served: Served, host: str) -> None:
    before = len(served.inference.requests)
    answer = chat(served, {"host": host})
    assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden")
    assert served.ask("GET", "/health", headers={"host": host}).status == 403
    assert len(served.inference.requests) == before


def test_two_hosts_are_none(served: Served) -> None:
    connection = served.connect()
    connection.putrequest("GET", "/health", skip_host=True)
    connection.putheader("Host", "localhost")
    connection.putheader("Host", "localhost")
    connection.endheaders()
    assert connection.getresponse().status in (400, 403)
    connection.close()


def test_configured_hosts(keyed: Served) -> None:
    for host, status in (("box.local", 200), ("BOX.LOCAL:9", 200), ("proxy", 200), ("0.0.0.0", 403), ("other", 403)):
        assert keyed.ask("GET", "/health", headers={"host": host}).status == status, host


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "null"},
        {"origin": "file://"},
        {"origin": "http://localhost:8000/path"},
        {"origin": "http://[localhost"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://localhost:8000", "sec-fetch-site": "cross-site"},
    ],
)
def test_foreign_pages(served: Served, headers: dict[str, str]) -> None:
    answer = chat(served, headers)
    assert (answer.status, answer.json["error"]["type"]) == (403, "permission_error")
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://localhost:3000"}, {"origin": "http://127.0.0.1"}, {"sec-fetch-site": "same-origin"}],
)
def test_pages_of_this_machine(served: Served, headers: dict[str, str]) -> None:
    answer = chat(served, headers)
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "kind",
    ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx"],
)
def test_a_simple_post_has_no_effect(served: Served, kind: str) -> None:
    before = len(served.inference.requests)
    answer = served.ask("POST", routes.CHAT_COMPLETIONS, CHAT, {"content-type": kind} if kind else {})
    assert (answer.status, answer.json["error"]["type"]) == (415, "invalid_request_error")
    assert len(served.inference.requests) == before


def test_json_may_name_its_charset(served: Served) -> None:
    assert chat(served, {"content-type": "Application/JSON; charset=utf-8"}).status == 200


@pytest.mark.parametrize("path", ACTING)
def test_acting_over_tcp_needs_a_configured_key(served: Served, path: str) -> None:
    before = len(served.slots.calls)
    answer = served.ask("POST", path, {"model": "sky"})
    assert (answer.status, answer.json["error"]["code"]) == (403, "forbidden")
    assert "omlx" in answer.json["error"]["hint"]
    assert len(served.slots.calls) == before
    assert not served.daemon.stopping


@pytest.mark.parametrize("path", READING)
def test_reading_over_tcp_is_open_without_a_key(served: Served, path: str) -> None:
    assert served.ask("GET", path).status == 200


@pytest.mark.parametrize("path", [*READING, "/v1/nothing", "//health", "/health/", "/health?x"])
def test_with_a_key_everything_else_needs_it(keyed: Served, path: str) -> None:
    answer = keyed.ask("GET", path)
    if path == "/health?x":
        assert answer.status == 200
        return
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert KEY not in answer.text


@pytest.mark.parametrize("query", ["limit=%F3%87&x=%28%C2%9D", "%E9=%00", "a=%ff%fe", "=&&", "%"])
def test_an_odd_query_is_no_failure_of_ours(served: Served, query: str) -> None:
    assert served.ask("GET", f"{routes.STATUS}?{query}").status < 500


def test_health_needs_no_key(keyed: Served) -> None:
    assert keyed.ask("GET", "/health").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"authorization": f"Bearer {KEY}"}, 200),
        ({"authorization": f"bearer  {KEY}"}, 200),
        ({"x-api-key": KEY}, 200),
        ({"authorization": "Bearer no", "x-api-key": KEY}, 200),
        ({"authorization": f"Basic {KEY}"}, 401),
        ({"authorization": KEY}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"x-api-key": KEY[:-1]}, 401),
        ({"x-api-key": KEY + "1"}, 401),
        ({"x-api-key": ""}, 401),
    ],
)
def test_keys(keyed: Served, headers: dict[str, str], status: int) -> None:
    sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    answer = chat(keyed, sent)
    assert answer.status == status
    if status == 401:
        assert answer.json["error"]["type"] == "authentication_error"


def test_a_key_opens_the_acting_routes(keyed: Served) -> None:
    key = {**JSON, "x-api-key": KEY.encode().decode("latin-1")}
    assert keyed.ask("POST", routes.PIN, {"model": "sky"}, key).status == 200
    assert keyed.ask("POST", routes.PIN, {"model": "sky"}, {**key, "origin": "https://evil.example"}).status == 403


def test_the_unix_socket_is_trusted(keyed: Served) -> None:
    headers = {"host": "anything", "origin": "https://evil.example"}
    assert keyed.ask_unix("POST", routes.PIN, {"model": "sky"}, headers).status == 200


@pytest.mark.parametrize(
    ("client", "server", "local"),
    [
        (None, ("/run/omlx.sock", None), True),
        (("127.0.0.1", 5), ("127.0.0.1", 8000), False),
        (None, ("127.0.0.1", 8000), False),
        (None, None, False),
    ],
)
def test_a_peer_that_has_gone_is_not_trusted(client: object, server: object, local: bool) -> None:
    scope = {"type": "http", "client": client, "server": server}
    assert is_local(scope) is local  # type: ignore[arg-type]
