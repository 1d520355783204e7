"""The live requests and their end by command; who counts as whom."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli.contract import routes
from omlx_cli.contract.settings import ServerKey, ServerSettings
from omlx_daemon.core.requests import Priority
from tests.api.serving import JSON, Served, serving

CHAT = {"model": "sky", "messages": [{"role": "user", "content": "hi"}]}
OWNER, BATCH = {"x-api-key": "owner"}, {"authorization": "Bearer nightly-key"}


@pytest.fixture(scope="module")
def keyed(socket_folder: Path) -> Iterator[Served]:
    keys = (ServerKey(name="agent", key="agent-key"), ServerKey(name="nightly", key="nightly-key", priority="batch"))
    with serving(socket_folder / "named", ServerSettings(api_key="owner", keys=keys)) as app:
        yield app


def asked(served: Served, **headers: str) -> tuple[str, Priority]:
    answer = served.ask("POST", routes.CHAT_COMPLETIONS, CHAT, {**JSON, **headers})
    assert answer.status == 200, answer.text
    return served.inference.requests[-1].client, served.inference.requests[-1].priority


def test_the_owner_and_the_unix_socket_see_all(keyed: Served) -> None:
    for answer in (keyed.ask_unix("GET", routes.REQUESTS), keyed.ask("GET", routes.REQUESTS, headers=OWNER)):
        assert [row["id"] for row in answer.json["requests"]] == ["req_a.0", "req_a.1", "req_b.0"]
        assert answer.json["requests"][0]["phase"] == "decode"


def test_others_see_and_cancel_their_own(keyed: Served) -> None:
    headers = {"x-api-key": "agent-key"}
    assert [row["id"] for row in keyed.ask("GET", routes.REQUESTS, headers=headers).json["requests"]] == ["req_b.0"]
    assert keyed.ask("DELETE", f"{routes.REQUESTS}/req_a", headers=headers).status == 404
    answer = keyed.ask("DELETE", f"{routes.REQUESTS}/req_b", headers=headers)
    assert (answer.status, answer.json["message"]) == (200, "req_b is cancelled")
    assert keyed.ask("GET", routes.REQUESTS).status == 401


def test_without_a_key_the_address_is_the_client(served: Served) -> None:
    rows = served.ask("GET", routes.REQUESTS).json["requests"]
    assert [row["id"] for row in rows] == ["req_a.0", "req_a.1"]
    answer = served.ask("DELETE", f"{routes.REQUESTS}/chatcmpl-a")
    assert (answer.status, answer.json["message"]) == (200, "req_a is cancelled (2 sequences)")
    assert served.live.cancelled[-1] == "req_a"


@pytest.mark.parametrize("request_id", ["req_c", "req_", "req_a.7", "..", "%2e"])
def test_an_unknown_id_is_not_found(served: Served, request_id: str) -> None:
    answer = served.ask_unix("DELETE", f"{routes.REQUESTS}/{request_id}")
    assert answer.status in (404, 405)


def test_a_key_names_the_client_and_its_class(keyed: Served) -> None:
    assert asked(keyed, **BATCH) == ("nightly", Priority.BATCH)
    assert asked(keyed, **BATCH, **{"x-omlx-client": "other", "x-omlx-priority": "interactive"}) == (
        "nightly",
        Priority.INTERACTIVE,
    )
    assert asked(keyed, **OWNER, **{"x-omlx-client": " one two "}) == ("one two", Priority.NORMAL)
    assert asked(keyed, **OWNER) == ("127.0.0.1", Priority.NORMAL)


def test_a_named_key_does_not_act_on_the_daemon(keyed: Served) -> None:
    for headers, status in (({"x-api-key": "agent-key"}, 403), (OWNER, 200)):
        assert keyed.ask("POST", routes.UNLOAD, {"model": "sky"}, {**JSON, **headers}).status == status


def test_a_wrong_class_in_the_header_is_refused(served: Served) -> None:
    answer = served.ask("POST", routes.CHAT_COMPLETIONS, CHAT, {**JSON, "x-omlx-priority": "high"})
    assert (answer.status, answer.json["error"]["param"]) == (400, "x-omlx-priority")
    assert "interactive, normal, batch" in answer.json["error"]["message"]


def test_named_keys_alone_close_the_daemon_too(socket_folder: Path) -> None:
    settings = ServerSettings(keys=(ServerKey(name="a", key="k"),))
    with serving(socket_folder / "alone", settings) as served:
        assert served.ask("GET", routes.OPENAI_MODELS).status == 401
        assert served.ask("GET", routes.OPENAI_MODELS, headers={"x-api-key": "k"}).status == 200
        assert served.ask("POST", routes.UNLOAD, {"model": "sky"}, {**JSON, "x-api-key": "k"}).status == 403


def test_new_keys_count_at_once(socket_folder: Path) -> None:
    with serving(socket_folder / "changing") as served:
        assert served.ask("GET", routes.OPENAI_MODELS).status == 200
        served.settings = ServerSettings(api_key="new")
        assert served.ask("GET", routes.OPENAI_MODELS).status == 401
        assert served.ask("GET", routes.OPENAI_MODELS, headers={"x-api-key": "new"}).status == 200
