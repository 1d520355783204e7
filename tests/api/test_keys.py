"""Keys that `omlx key` handed out, over TCP: scopes, withdrawal, prefixes of their own, nothing told by time."""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from omlx_cli import keys
from omlx_cli.contract import keys as contract
from omlx_cli.contract import routes
from omlx_cli.contract.settings import ServerKey, ServerSettings
from omlx_daemon.api.caller import Caller
from omlx_daemon.api.keyring import HandedOut, Keyring
from omlx_daemon.core.requests import CachePolicy, Priority
from tests.api.serving import JSON, Served, serving

CHAT = {"model": "sky", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def open_app(socket_folder: Path) -> Iterator[Served]:
    with serving(socket_folder / "keys") as app:
        yield app
        app.keys_path.unlink(missing_ok=True)


def make(served: Served, name: str, **more: object) -> str:
    defaults: dict[str, object] = {"scope": "inference", "priority": "normal", "shares_cache": False}
    return keys.create(served.keys_path, name, **{**defaults, **more})[0]  # type: ignore[arg-type]


def status(served: Served, key: str = "", path: str = routes.OPENAI_MODELS) -> int:
    return served.ask("GET", path, headers={"x-api-key": key} if key else {}).status


def policy(served: Served, key: str, **more: object) -> CachePolicy:
    answer = served.ask("POST", routes.CHAT_COMPLETIONS, {**CHAT, **more}, {**JSON, "authorization": f"Bearer {key}"})
    assert answer.status == 200, answer.text
    return served.inference.requests[-1].cache


def test_a_key_counts_at_once_and_is_withdrawn_at_once(open_app: Served) -> None:
    assert status(open_app) == 200
    key = make(open_app, "a")
    assert [status(open_app), status(open_app, key), status(open_app, key + "x")] == [401, 200, 401]
    other = make(open_app, "b")
    keys.remove(open_app.keys_path, ("a",))
    assert [status(open_app, key), status(open_app, other)] == [401, 200]
    keys.remove(open_app.keys_path, ("b",))
    assert status(open_app) == 200


def test_scope_and_class(open_app: Served) -> None:
    asks, acts = make(open_app, "asks", priority="batch"), make(open_app, "acts", scope="control")
    for key, expected in ((asks, 403), (acts, 200)):
        answer = open_app.ask("POST", routes.UNLOAD, {"model": "sky"}, {**JSON, "x-api-key": key})
        assert answer.status == expected
    policy(open_app, asks)
    asked = open_app.inference.requests[-1]
    assert (asked.client, asked.priority) == ("asks", Priority.BATCH)


def test_keys_share_no_prefix(open_app: Served) -> None:
    one, two = make(open_app, "one"), make(open_app, "two")
    shared = make(open_app, "three", shares_cache=True)
    salts = [policy(open_app, key).salt for key in (one, two, shared)]
    salts += [policy(open_app, key, cache_salt="x").salt for key in (one, two, shared)]
    assert len({*salts}) == 6
    assert (salts[2], salts[5]) == ("", "x")
    open_app.ask_unix("POST", routes.CHAT_COMPLETIONS, CHAT)
    assert open_app.inference.requests[-1].cache.salt == ""


def test_keys_of_the_settings_share_none_either(socket_folder: Path) -> None:
    settings = ServerSettings(api_key="owner", keys=(ServerKey(name="a", key="ka"), ServerKey(name="b", key="kb")))
    with serving(socket_folder / "configured", settings) as served:
        salts = [policy(served, key).salt for key in ("ka", "kb", "owner")]
    assert len({*salts}) == 3
    assert salts[2] == ""


def test_no_two_salts_join_to_the_same() -> None:
    pairs = [("key:a", ""), ("key:a", "b"), ("key:ab", ""), ("key:ab", "b"), ("key:a", "bb"), ("", "key:ab")]
    joined = {Caller(request_id="r", salt=salt).salted(own) for salt, own in pairs}
    assert len(joined) == len(pairs) - 1
    """The last is the one of a caller without a key, who is alone where there are no keys."""


def test_a_file_that_cannot_be_read_opens_nothing(open_app: Served) -> None:
    key = make(open_app, "a")
    open_app.keys_path.write_text("{")
    assert [status(open_app), status(open_app, key)] == [401, 401]
    assert open_app.ask_unix("GET", routes.OPENAI_MODELS).status == 200


def test_an_open_address_without_a_key_answers_nobody(socket_folder: Path) -> None:
    settings = ServerSettings(host="0.0.0.0")
    with serving(socket_folder / "wide", settings) as served:
        assert status(served) == 401
        assert status(served, make(served, "a")) == 200
        keys.remove(served.keys_path, ("a",))
        assert [status(served), status(served, path=routes.HEALTH)] == [401, 200]


@pytest.mark.parametrize(
    "name", ["key", "api_key", "API_KEY", "token", "access_token", "x-api-key", "Authorization", "bearer"]
)
def test_a_key_in_the_url_is_refused(open_app: Served, name: str) -> None:
    key = make(open_app, "a")
    for path in (routes.OPENAI_MODELS, routes.HEALTH):
        answer = open_app.ask("GET", f"{path}?{name}={key}", headers={"x-api-key": key})
        assert (answer.status, "URL" in answer.text, key in answer.text) == (400, True, False)


def test_every_key_is_compared_in_constant_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys.json"
    made = [keys.create(path, name, "inference", "normal", False)[0] for name in "abc"]
    settings = ServerSettings(
        api_key="owner", keys=(ServerKey(name="d", key="a longer one"), ServerKey(name="e", key="k"))
    )
    keyring = Keyring(settings, HandedOut(path))
    known = {record.digest for record in contract.read(path).keys}
    known |= {contract.digest_of(key) for key in (b"owner", b"a longer one", b"k")}
    compared: list[tuple[str, str]] = []
    plain = hmac.compare_digest

    def spy(one: bytes, other: bytes) -> bool:
        compared.append((one.decode(), other.decode()))
        return plain(one, other)

    monkeypatch.setattr(hmac, "compare_digest", spy)
    holders = {"nobody's": None, "": None, "owner": "", "k": "e", "a longer one": "d", made[0]: "a", made[2]: "c"}
    for shown, name in holders.items():
        compared.clear()
        holder = keyring.holder([shown.encode()])
        assert (holder and holder.name) == name
        assert {one for one, _ in compared} == known
        assert {other for _, other in compared} == {contract.digest_of(shown.encode())}
        assert len(compared) == len(known)
